package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/internal/services"
)

// devServer is the service of the profile "dev" that is its server.
const devServer = "temporal-dev"

// deliverDev runs the server of the profile "dev" with its arguments, waits until
// its health check succeeds, and has its workers deliver.
func deliverDev(ctx context.Context, c services.Compose, out io.Writer) (err error) {
	ports := map[string]string{}
	for _, flag := range []string{"--port", "--ui-port", "--http-port"} {
		port, err := embedded.FreePort()
		if err != nil {
			return err
		}
		ports[flag] = strconv.Itoa(port)
	}
	service := c.Project.Services[devServer]
	args := append([]string(nil), service.Command...)
	for i, arg := range args {
		switch name, _, _ := strings.Cut(arg, "="); name {
		case "--ip":
			args[i] = "--ip=" + services.Loopback
		case "--http-port":
			args[i] = "--http-port=" + ports["--http-port"]
		}
	}
	args = append(args, "--port="+ports["--port"], "--ui-port="+ports["--ui-port"])
	server, err := services.StartProcess(c.Folder, devServer, c.Command(nil, c.Programs.Path("temporal"), args...))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop(syscall.SIGTERM)) }()
	s := site{c, "worker-dev", net.JoinHostPort(services.Loopback, ports["--port"])}
	if err := server.Wait(ctx, func(ctx context.Context) error { return s.healthy(ctx, service.HealthCheck.Test) }); err != nil {
		return err
	}
	undisturbed := func(context.Context) error { return nil } // it forgets all when it ends
	return deliver(ctx, s, "profile dev", undisturbed, out)
}

// healthy runs a health check, with this server's address for the container's.
func (s site) healthy(ctx context.Context, check []string) error {
	args := append([]string(nil), check[2:]...) // CMD, program, arguments
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], services.Loopback+":7233", s.address)
	}
	command := exec.CommandContext(ctx, s.Programs.Path(check[1]), args...)
	command.Env = embedded.Environment()
	return command.Run()
}
