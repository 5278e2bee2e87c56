package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Secret is a value that may not belong into the file. There it is a string, or
// {env: NAME} or {file: PATH}, which name where the worker reads it at its start.
type Secret struct {
	Value string `mapstructure:"value"`
	Env   string `mapstructure:"env"`
	File  string `mapstructure:"file"`
}

// validate refuses a secret that is kept in two places.
func (s Secret) validate() error {
	if (s.Env != "" && s.File != "") || (s.Value != "" && s.Env+s.File != "") {
		return errors.New("has more than one of value, env and file")
	}
	return nil
}

// isSet says that there is a place to read it from.
func (s Secret) isSet() bool { return s != Secret{} }

// Headers reads a connection's headers from where they are kept. The error names
// connection, header, and the variable or file, never a value.
func (c Config) Headers(connection Connection, env Env) (map[string]string, error) {
	headers := make(map[string]string, len(connection.Headers))
	for name, header := range connection.Headers {
		value, err := c.Read(header, env)
		if err != nil {
			return nil, fmt.Errorf("%s: http.connections: %q: headers.%s: %w", c.path, connection.Name, name, err)
		}
		headers[name] = value
	}
	return headers, nil
}

// Read is the secret's value. A path begins at the configuration's folder, and
// the line break that ends a file is dropped. The error names the variable or
// the file, never a value.
func (c Config) Read(s Secret, env Env) (string, error) {
	switch {
	case s.Env != "":
		value, ok := env(s.Env)
		if !ok || value == "" {
			return "", fmt.Errorf("the environment variable %s is not set", s.Env)
		}
		return value, nil
	case s.File != "":
		content, err := os.ReadFile(c.relative(s.File))
		if err != nil {
			return "", err
		}
		return strings.TrimRight(string(content), "\r\n"), nil
	}
	return s.Value, nil
}
