package main

import (
	"os/exec"

	"github.com/seriatim-go/seriatim/internal/services"
)

// site is a server and the service in docker-compose.yml that is its worker.
type site struct {
	services.Compose
	worker  string
	address string
}

// environment is the worker's, with the server's address here.
func (s site) environment() (map[string]string, error) {
	return s.Compose.Environment(s.worker, map[string]string{
		"TEMPORAL_ADDRESS": s.address,
		// Two of them share this machine.
		"SERIATIM_WORKER_HTTPADDRESS": services.Loopback + ":0",
	})
}

// startWorker runs a worker with the arguments of its service, and the
// configuration that it mounts.
func (s site) startWorker(name string) (*services.Process, error) {
	environment, err := s.environment()
	if err != nil {
		return nil, err
	}
	environment["SERIATIM_HTTP_ALLOWLOOPBACK"] = "true" // the receiver is on this machine
	service := s.Project.Services[s.worker]
	args := append([]string(nil), service.Command...)
	for i := range args {
		if args[i] == service.Volumes[0].Target {
			args[i] = service.Volumes[0].Source
		}
	}
	return services.StartProcess(s.Folder, s.worker+"-"+name, s.Command(environment, s.Programs.Path("worker"), args...))
}

// starter is the command line, as the worker's container has it.
func (s site) starter(args ...string) (*exec.Cmd, error) {
	environment, err := s.environment()
	if err != nil {
		return nil, err
	}
	return s.Command(environment, s.Programs.Path("starter"), args...), nil
}
