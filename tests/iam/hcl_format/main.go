// hcl_format FILE... says which of the files `terraform fmt` would change, and ends with 1 if it is any. It formats with the
// library that Terraform formats with, so a file that is no HCL is told too.
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

func main() {
	wrong := len(os.Args) < 2
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			wrong = true
		}
	}
	if wrong {
		os.Exit(1)
	}
	fmt.Printf("%d files\n", len(os.Args)-1)
}

func check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if _, problems := hclsyntax.ParseConfig(text, path, hcl.InitialPos); problems.HasErrors() {
		return problems
	}
	if formatted := hclwrite.Format(text); !bytes.Equal(formatted, text) {
		return fmt.Errorf("%s: terraform fmt would make of it:\n%s", path, formatted)
	}
	return nil
}
