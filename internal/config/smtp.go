package config

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// SMTP configures the mail servers that operations of bulk.email may name.
type SMTP struct {
	Connections []SMTPConnection `mapstructure:"connections"`
}

// SMTPConnection is a mail server by a name that no operation has to carry a
// password for (SPEC 9.3). What is absent gets the handler's defaults, and the
// handler judges the rest.
type SMTPConnection struct {
	// Name is what operations refer to.
	Name string `mapstructure:"name"`
	// Host is a name or an address; Port is by default 587 for starttls, 465 for
	// implicit and 25 for none.
	Host string `mapstructure:"host"`
	Port int    `mapstructure:"port"`
	// TLS is starttls, implicit or none; default starttls.
	TLS string `mapstructure:"tls"`
	// Username and Password are sent under TLS only.
	Username string `mapstructure:"username"`
	Password Secret `mapstructure:"password"`
	// From is the sender of operations that name none.
	From string `mapstructure:"from"`
	// Helo is what this machine calls itself; default its host name.
	Helo string `mapstructure:"helo"`
	// RatePerSecond bounds the messages of one worker process; default 0, no bound.
	RatePerSecond float64 `mapstructure:"ratePerSecond"`
	// MaxConnections bounds those of one worker process; default 5.
	MaxConnections int `mapstructure:"maxConnections"`
	// Timeout bounds one message; default 30 s.
	Timeout time.Duration `mapstructure:"timeout"`
	// CAFile holds the certificates of the authorities under which the server's is
	// good; default the system's.
	CAFile string `mapstructure:"caFile"`
}

// SMTPSecrets reads a connection's password and authorities from where they are
// kept; nil authorities are the system's. The error names the connection, and the
// variable or file, never a value.
func (c Config) SMTPSecrets(connection SMTPConnection, env Env) (password string, authorities []byte, err error) {
	if password, err = c.Read(connection.Password, env); err != nil {
		return "", nil, fmt.Errorf("%s: smtp.connections: %q: password: %w", c.path, connection.Name, err)
	}
	if connection.CAFile == "" {
		return password, nil, nil
	}
	if authorities, err = os.ReadFile(c.relative(connection.CAFile)); err != nil {
		return "", nil, fmt.Errorf("%s: smtp.connections: %q: caFile: %w", c.path, connection.Name, err)
	}
	return password, authorities, nil
}

// validateMailServers checks names and secrets; the rest is judged by the handler
// that uses it.
func (c Config) validateMailServers() error {
	var problems []error
	seen := make(map[string]bool, len(c.SMTP.Connections))
	for i, connection := range c.SMTP.Connections {
		key := fmt.Sprintf("smtp.connections[%d]", i)
		if connection.Name == "" || seen[connection.Name] {
			problems = append(problems, fmt.Errorf("%s.name: %q is empty or taken", key, connection.Name))
		}
		seen[connection.Name] = true
		if connection.Host == "" {
			problems = append(problems, fmt.Errorf("%s.host: is missing for %q", key, connection.Name))
		}
		if err := connection.Password.validate(); err != nil {
			problems = append(problems, fmt.Errorf("%s.password: %w", key, err))
		}
	}
	return errors.Join(problems...)
}
