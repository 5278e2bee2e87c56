package codec

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

// KeyFileVariable names the key file to the worker and the starter.
const KeyFileVariable = "SERIATIM_ENCRYPTION_KEYFILE"

// Read makes a codec of a key file: one key a line, its id, white space, and the
// 32 bytes of its secret in base64, as "openssl rand -base64 32" writes them. The
// first one encrypts. Empty lines and those that begin with "#" do not count. The
// error names the file and the line, never a secret.
func Read(path string) (*Codec, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	var keys []Key
	lines := bufio.NewScanner(bytes.NewReader(content))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := parseKey(line)
		if err != nil {
			return nil, fmt.Errorf("key file %s: line %d: %w", path, number, err)
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	c, err := New(keys...)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return c, nil
}

func parseKey(line string) (Key, error) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return Key{}, fmt.Errorf("has %d words, not an id and a secret", len(fields))
	}
	secret, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return Key{}, fmt.Errorf("key %q: the secret is not base64", fields[0])
	}
	return Key{ID: fields[0], Secret: secret}, nil
}
