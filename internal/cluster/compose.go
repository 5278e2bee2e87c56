package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/seriatim-go/seriatim/internal/embedded"
)

// compose is docker-compose.yml with every profile.
type compose struct {
	project  *types.Project
	programs programs
	folder   string // for logs
}

// loadCompose reads docker-compose.yml, its variables set as given.
func loadCompose(ctx context.Context, p programs, folder string, variables types.Mapping) (compose, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return compose{}, err
	}
	project, err := loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir:  root,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, "docker-compose.yml")}},
		Environment: variables,
	}, loader.WithProfiles([]string{"*"}))
	if err != nil {
		return compose{}, fmt.Errorf("docker-compose.yml: %w", err)
	}
	return compose{project: project, programs: p, folder: folder}, nil
}

// environment is a service's, with what is different here. Only what the service
// sets can be different: another setting would be one that the file lacks.
func (c compose) environment(service string, different map[string]string) (map[string]string, error) {
	set := c.project.Services[service].Environment
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

// command is one that runs in a service's environment, with these programs.
func (c compose) command(environment map[string]string, name string, args ...string) *exec.Cmd {
	command := exec.Command(name, args...)
	command.Env = embedded.Environment(c.programs.searchPath())
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	return command
}

// runJob runs a one-shot service to its end, as the file says it.
func (c compose) runJob(ctx context.Context, service string, different map[string]string) error {
	environment, err := c.environment(service, different)
	if err != nil {
		return err
	}
	line := append(c.project.Services[service].Entrypoint, c.project.Services[service].Command...)
	return runToEnd(ctx, c.folder, service, c.command(environment, line[0], line[1:]...))
}
