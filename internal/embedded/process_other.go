//go:build !unix

package embedded

import (
	"context"
	"os"
	"os/exec"
)

// interrupt kills: there is no gentler signal for a process of its own here.
func interrupt(process *os.Process) error { return process.Kill() }

// lockFile locks nothing here: two processes that build at once both do the
// work, and the last one to rename its program wins.
func lockFile(context.Context, string, func()) (unlock func(), err error) { return func() {}, nil }

func detach(*exec.Cmd) {}

func startChild(command *exec.Cmd) error { return command.Start() }
