package config

import (
	"fmt"
	"os"
	"strings"
)

// Header is the value of a connection's header. In the file it is a string, or
// {env: NAME} or {file: PATH} for a secret that does not belong there.
type Header struct {
	Value string `mapstructure:"value"`
	Env   string `mapstructure:"env"`
	File  string `mapstructure:"file"`
}

// Headers reads a connection's headers from where they are kept. A path begins
// at the configuration's folder, and the line break that ends a file is dropped.
// The error names connection, header, and the variable or file, never a value.
func (c Config) Headers(connection Connection, env Env) (map[string]string, error) {
	headers := make(map[string]string, len(connection.Headers))
	for name, header := range connection.Headers {
		value, err := c.read(header, env)
		if err != nil {
			return nil, fmt.Errorf("%s: http.connections: %q: headers.%s: %w", c.path, connection.Name, name, err)
		}
		headers[name] = value
	}
	return headers, nil
}

func (c Config) read(h Header, env Env) (string, error) {
	switch {
	case h.Env != "":
		value, ok := env(h.Env)
		if !ok || value == "" {
			return "", fmt.Errorf("the environment variable %s is not set", h.Env)
		}
		return value, nil
	case h.File != "":
		content, err := os.ReadFile(c.relative(h.File))
		if err != nil {
			return "", err
		}
		return strings.TrimRight(string(content), "\r\n"), nil
	}
	return h.Value, nil
}
