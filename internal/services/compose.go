package services

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// Compose is docker-compose.yml with every profile.
type Compose struct {
	Project  *types.Project
	Programs Programs
	Folder   string // for logs
}

// loadCompose reads docker-compose.yml, its variables set as given.
func loadCompose(ctx context.Context, p Programs, folder string, variables types.Mapping) (Compose, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return Compose{}, err
	}
	project, err := loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir:  root,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, "docker-compose.yml")}},
		Environment: variables,
	}, loader.WithProfiles([]string{"*"}))
	if err != nil {
		return Compose{}, fmt.Errorf("docker-compose.yml: %w", err)
	}
	return Compose{Project: project, Programs: p, Folder: folder}, nil
}

// Environment is a service's, with what is different here. Only what the service
// sets can be different: another setting would be one that the file lacks.
func (c Compose) Environment(service string, different map[string]string) (map[string]string, error) {
	set := c.Project.Services[service].Environment
	values := make(map[string]string, len(set))
	for name, value := range set {
		values[name] = *value // loading resolves them all
	}
	for name, value := range different {
		if _, ok := values[name]; !ok {
			return nil, fmt.Errorf("docker-compose.yml: service %s does not set %s", service, name)
		}
		values[name] = value
	}
	return values, nil
}

// Command is one that runs in a service's environment, with these programs.
func (c Compose) Command(environment map[string]string, name string, args ...string) *exec.Cmd {
	command := exec.Command(name, args...)
	command.Env = embedded.Environment(c.Programs.searchPath())
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	return command
}

// runJob runs a one-shot service to its end, as the file says it.
func (c Compose) runJob(ctx context.Context, service string, different map[string]string) error {
	environment, err := c.Environment(service, different)
	if err != nil {
		return err
	}
	line := append(c.Project.Services[service].Entrypoint, c.Project.Services[service].Command...)
	return RunToEnd(ctx, c.Folder, service, c.Command(environment, line[0], line[1:]...))
}
