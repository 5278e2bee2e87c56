//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// Signals that stop a process where it stands, and let it go on.
var stopSignal, continueSignal os.Signal = syscall.SIGSTOP, syscall.SIGCONT

// detach keeps the terminal's Ctrl-C from a child: the harness ends it.
func detach(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
