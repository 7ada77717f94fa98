// Renders a Helm chart where there is no Helm: its templates are those of Go, and these are the functions that our chart
// uses beside Go's own. A chart that uses another one does not parse here.
//
//	go run chart.go CHART_DIRECTORY <VALUES.json
//
// The values, and what Helm tells a chart of itself, come as JSON, as Go's library reads no YAML: {"Values": .., "Chart": .., "Release": ..}.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/template"
)

// The files of a chart that are no templates.
type files string

func (directory files) Get(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(string(directory), name))
	return string(text), err
}

func main() {
	log.SetFlags(0)
	chart := os.Args[1]
	scope := map[string]any{}
	if err := json.NewDecoder(os.Stdin).Decode(&scope); err != nil {
		log.Fatal("values: ", err)
	}
	scope["Files"] = files(chart)

	all := template.New("chart").Option("missingkey=error")
	all.Funcs(functions(all))
	var names []string
	err := filepath.WalkDir(filepath.Join(chart, "templates"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			names = append(names, path)
			_, err = all.New(path).Parse(string(text))
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(filepath.Base(name), "_") {
			continue
		}
		// Notes are no YAML: as comments they can stand among it.
		prefix := ""
		if filepath.Ext(name) == ".txt" {
			prefix = "# "
		}
		var text strings.Builder
		if err := all.ExecuteTemplate(&text, name, scope); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("---\n# Source: %s\n%s\n", name, indent(prefix, text.String()))
	}
}

func functions(all *template.Template) template.FuncMap {
	return template.FuncMap{
		"include": func(name string, scope any) (string, error) {
			var text strings.Builder
			err := all.ExecuteTemplate(&text, name, scope)
			return text.String(), err
		},
		"required": func(message string, value any) (any, error) {
			if value == nil || value == "" {
				return nil, errors.New(message)
			}
			return value, nil
		},
		"fail":    func(message string) (string, error) { return "", errors.New(message) },
		"default": func(otherwise, value any) any {
			if truth, _ := template.IsTrue(value); truth {
				return value
			}
			return otherwise
		},
		"nindent":    func(by int, text string) string { return "\n" + indent(strings.Repeat(" ", by), text) },
		"quote":      func(text any) string { return fmt.Sprintf("%q", fmt.Sprint(text)) },
		"trunc":      func(most int, text string) string { return text[:min(most, len(text))] },
		"trimSuffix": func(suffix, text string) string { return strings.TrimSuffix(text, suffix) },
		"replace":    func(old, new, text string) string { return strings.ReplaceAll(text, old, new) },
		"contains":   func(part, text string) bool { return strings.Contains(text, part) },
		"int":        func(number float64) int { return int(number) },
		"sha256sum":  func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) },
		"toYaml":     func(value any) string { return strings.TrimSuffix(yaml(value, ""), "\n") },
	}
}

func indent(by, text string) string {
	return by + strings.ReplaceAll(text, "\n", "\n"+by)
}

// Maps and lists in blocks, scalars as JSON has them.
func yaml(value any, by string) string {
	var text strings.Builder
	switch value := value.(type) {
	case map[string]any:
		if len(value) == 0 {
			return by + "{}\n"
		}
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Fprintf(&text, "%s%q:\n%s", by, name, yaml(value[name], by+"  "))
		}
	case []any:
		if len(value) == 0 {
			return by + "[]\n"
		}
		for _, item := range value {
			fmt.Fprintf(&text, "%s-\n%s", by, yaml(item, by+"  "))
		}
	default:
		scalar, _ := json.Marshal(value)
		fmt.Fprintf(&text, "%s%s\n", by, scalar)
	}
	return text.String()
}
