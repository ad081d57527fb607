// render does what Helm and kustomize do with a chart, by their own code: scripts/e2e-helm asks it.
//
//	render 3|4 CHART VERSION RELEASE VALUES...  the manifests of a chart, as `helm template` of Helm 3 or 4 makes them. The chart
//	                                            gets this version: the test charts do as the version of the real one did.
//	render values FILE                          a values file as Helm reads it, as JSON
//	render kustomize DIRECTORY                  what `kubectl kustomize` prints
//	render plugin DIRECTORY NAME                stdin to stdout through a post-renderer plugin of Helm 4, of this directory of plugins
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	loader3 "helm.sh/helm/v3/pkg/chart/loader"
	chartutil3 "helm.sh/helm/v3/pkg/chartutil"
	engine3 "helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v4/pkg/chart/common"
	util4 "helm.sh/helm/v4/pkg/chart/common/util"
	loader4 "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli"
	engine4 "helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/postrenderer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

const namespace = "airflow"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return errors.New("usage: render 3|4|values|kustomize|plugin ARGUMENTS")
	}
	switch what, rest := arguments[0], arguments[1:]; {
	case (what == "3" || what == "4") && len(rest) >= 3:
		return chart(what, rest[0], rest[1], rest[2], rest[3:])
	case what == "values" && len(rest) == 1:
		values, err := common.ReadValuesFile(rest[0])
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(values)
	case what == "kustomize" && len(rest) == 1:
		built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), rest[0])
		if err != nil {
			return err
		}
		text, err := built.AsYaml()
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(text)
		return err
	case what == "plugin" && len(rest) == 2:
		return plugin(rest[0], rest[1])
	}
	return fmt.Errorf("what is %q to do?", arguments)
}

func chart(helm, directory, version, release string, files []string) error {
	values := map[string]any{}
	for _, file := range files {
		more, err := common.ReadValuesFile(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		values = loader4.MergeMaps(values, more)
	}
	var manifests map[string]string
	if helm == "3" {
		loaded, err := loader3.Load(directory)
		if err != nil {
			return err
		}
		loaded.Metadata.Version = version
		options := chartutil3.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true, Revision: 1}
		all, err := chartutil3.ToRenderValues(loaded, values, options, nil)
		if err != nil {
			return err
		}
		if manifests, err = engine3.Render(loaded, all); err != nil {
			return err
		}
	} else {
		loaded, err := loader4.Load(directory)
		if err != nil {
			return err
		}
		loaded.Metadata.Version = version
		options := common.ReleaseOptions{Name: release, Namespace: namespace, IsInstall: true, Revision: 1}
		all, err := util4.ToRenderValues(loaded, values, options, nil)
		if err != nil {
			return err
		}
		if manifests, err = engine4.Render(loaded, all); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(manifests)) {
		if strings.HasSuffix(name, ".yaml") {
			fmt.Printf("---\n# Source: %s\n%s\n", name, manifests[name])
		}
	}
	return nil
}

func plugin(directory, name string) error {
	settings := cli.New()
	settings.PluginsDirectory = directory
	renderer, err := postrenderer.NewPostRendererPlugin(settings, name)
	if err != nil {
		return err
	}
	var rendered bytes.Buffer
	if _, err := io.Copy(&rendered, os.Stdin); err != nil {
		return err
	}
	changed, err := renderer.Run(&rendered)
	if err != nil {
		return err
	}
	_, err = changed.WriteTo(os.Stdout)
	return err
}
