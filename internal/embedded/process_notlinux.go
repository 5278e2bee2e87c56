//go:build unix && !linux

package embedded

import (
	"os/exec"
	"syscall"
)

// detach keeps the terminal's Ctrl-C from a child, whose parent decides when
// it stops. Only Linux can also end it when the parent is killed.
func detach(command *exec.Cmd) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid = true
}

func startChild(command *exec.Cmd) error { return command.Start() }
