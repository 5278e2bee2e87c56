package embedded

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// detach keeps the terminal's Ctrl-C from a child, whose parent decides when
// it stops, and has the kernel kill it when the parent dies.
func detach(command *exec.Cmd) {
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	command.SysProcAttr.Setpgid, command.SysProcAttr.Pdeathsig = true, syscall.SIGKILL
}

// startChild starts a command from a thread that lives as long as this
// process: for the kernel, the parent that dies is the thread that started
// the child, not the process.
func startChild(command *exec.Cmd) error {
	done := make(chan error)
	starter() <- func() { done <- command.Start() }
	return <-done
}

var starter = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread()
		for call := range calls {
			call()
		}
	}()
	return calls
})
