// go_readers READER FILE prints, as one JSON object, what a Go program that starts containers reads in an
// environment file. A file that the reader refuses ends the program with the reader's own words and status 1.
//
//	compose      a service's env_file in docker compose (compose-go)
//	compose-raw  the same with `format: raw`
//	docker       docker run --env-file (docker/cli)
//
// go_readers environ prints the environment that it was started with: as the one program of an image, what a container
// gets.
//
// Values may refer to variables of this program's own environment, as they may to those of docker compose's.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/opts"
	"github.com/docker/cli/pkg/kvfile"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "environ" {
		return json.NewEncoder(os.Stdout).Encode(types.NewMapping(os.Environ()))
	}
	if len(args) != 2 {
		return fmt.Errorf("usage: go_readers compose|compose-raw|docker FILE, or go_readers environ")
	}
	var read map[string]string
	var err error
	switch reader, path := args[0], args[1]; reader {
	case "compose":
		read, err = compose(path, "")
	case "compose-raw":
		read, err = compose(path, "raw")
	case "docker":
		read, err = docker(path)
	default:
		err = fmt.Errorf("unknown reader %q", reader)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(read)
}

// compose resolves the environment of a project with one service, as docker compose does before it starts one.
func compose(path, format string) (map[string]string, error) {
	dotenv.RegisterFormat("raw", raw)
	service := types.ServiceConfig{Name: "service"}
	service.EnvFiles = []types.EnvFile{{Path: path, Required: true, Format: format}}
	project := types.Project{
		Environment: types.NewMapping(os.Environ()),
		Services:    types.Services{"service": service},
	}
	resolved, err := project.WithServicesEnvironmentResolved(true)
	if err != nil {
		return nil, err
	}
	return resolved.Services["service"].Environment.ToMapping(), nil
}

// raw does what docker compose registers for `format: raw`, which compose-go itself doesn't know.
func raw(r io.Reader, path string, vars map[string]string, lookup func(string) (string, bool)) error {
	lines, err := kvfile.ParseFromReader(r, lookup)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		vars[name] = value
	}
	return nil
}

func docker(path string) (map[string]string, error) {
	lines, err := opts.ReadKVEnvStrings([]string{path}, nil)
	if err != nil {
		return nil, err
	}
	return opts.ConvertKVStringsToMap(lines), nil
}
