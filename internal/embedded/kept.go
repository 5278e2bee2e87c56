package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	// unusedAfter is how long a program of other sources is kept after its
	// last use: people go back and forth between branches.
	unusedAfter = 30 * 24 * time.Hour
	// hashLength in hexadecimal digits is enough to tell versions apart.
	hashLength = 12
)

// cacheFolder returns the folder for server programs. Without a home folder
// that is one for temporary files, which is said, since it may soon be gone.
func (l *locator) cacheFolder() string {
	parent, err := os.UserCacheDir()
	if err != nil {
		parent = os.TempDir()
		l.say("kept in %s, for there is no cache folder: %v", parent, err)
	}
	return filepath.Join(parent, "seriatim")
}

// target returns the name of the program that the present sources and the
// present Go give.
func (l *locator) target(ctx context.Context) (string, error) {
	if l.root == "" {
		return "", errNoRoot
	}
	command := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	command.Dir = filepath.Join(l.root, l.program.Module)
	command.Env = goEnvironment()
	version, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go env GOVERSION: %w", err)
	}
	platform := strings.TrimSpace(string(version)) + " " + runtime.GOOS + "/" + runtime.GOARCH
	hash, err := sourceHash(command.Dir, platform)
	if err != nil {
		return "", fmt.Errorf("hash of the sources of %s: %w", l.program.Name, err)
	}
	return filepath.Join(l.cache, l.program.Name+"-"+hash), nil
}

// sourceHash returns a hash of platform and of all that a build of the module
// in folder reads: names and contents of its Go files except tests, go.mod
// and go.sum.
func sourceHash(folder, platform string) (string, error) {
	hash := sha256.New()
	hash.Write([]byte(platform + "\n")) // never fails
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isSource(entry.Name()) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		hash.Write(fmt.Appendf(nil, "%s %d\n", filepath.ToSlash(name), len(content)))
		hash.Write(content)
		return nil
	})
	return hex.EncodeToString(hash.Sum(nil))[:hashLength], err
}

func isSource(name string) bool {
	if name == "go.mod" || name == "go.sum" {
		return true
	}
	return strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}

// use says whether the program is there, and notes that it is still used.
func use(program string) bool {
	info, err := os.Stat(program)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(program, now, now) // only the clean-up looks at it
	return true
}

// removeUnused removes the programs of other sources that have not been used
// for long, and what broken builds left. Failure leaves files behind and harms
// nobody.
func removeUnused(cache, name, target string) {
	programs, err := filepath.Glob(filepath.Join(cache, name+"-*"))
	if err != nil {
		return
	}
	for _, program := range programs {
		info, err := os.Stat(program)
		if err == nil && program != target && time.Since(info.ModTime()) > unusedAfter {
			_ = os.Remove(program)
		}
	}
}
