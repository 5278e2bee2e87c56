// Command rules lists the rules of docs/semantics.md that no test cites. It runs
// at the root of the repository: go run ./internal/rules.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	missing, err := untested(".")
	if err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
		os.Exit(1)
	}
	for _, rule := range missing {
		fmt.Println(rule)
	}
}

var (
	anchor = regexp.MustCompile(`<a id="([0-9]+\.[0-9]+)"></a>`)
	// cited finds "SPEC 4.4" and what follows it in a list: "SPEC 4.1, 4.2 to 4.4".
	cited = regexp.MustCompile(`SPEC ([0-9]+\.[0-9]+(?:(?:,| and| to) [0-9]+\.[0-9]+)*)`)
	rule  = regexp.MustCompile(`[0-9]+\.[0-9]+`)
)

// untested are the rules below a folder that no test cites, in order.
func untested(root string) ([]string, error) {
	contract, err := os.ReadFile(filepath.Join(root, "docs", "semantics.md"))
	if err != nil {
		return nil, err
	}
	tested, err := citations(root)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, found := range anchor.FindAllSubmatch(contract, -1) {
		if number := string(found[1]); !tested[number] {
			missing = append(missing, number)
		}
	}
	return missing, nil
}

// citations are the rules that tests cite.
func citations(root string) (map[string]bool, error) {
	tested := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", "node_modules", "bin"}, entry.Name()) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, list := range cited.FindAllString(string(source), -1) {
			cite(tested, list)
		}
		return err
	})
	return tested, err
}

// cite notes a list of rules; "4.1 to 4.4" is all of them.
func cite(tested map[string]bool, list string) {
	for _, span := range regexp.MustCompile(`[0-9]+\.[0-9]+ to [0-9]+\.[0-9]+`).FindAllString(list, -1) {
		var chapter, first, until, last int
		if n, _ := fmt.Sscanf(span, "%d.%d to %d.%d", &chapter, &first, &until, &last); n == 4 && chapter == until {
			for i := first; i <= last; i++ {
				tested[fmt.Sprintf("%d.%d", chapter, i)] = true
			}
		}
	}
	for _, number := range rule.FindAllString(list, -1) {
		tested[number] = true
	}
}
