//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// There is no such signal here: sending it fails, and the fault with it.
var stopSignal, continueSignal os.Signal = os.Interrupt, os.Interrupt

func detach(*exec.Cmd) {}
