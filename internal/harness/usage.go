package harness

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of computing time in /proc, on every Linux.
const ticksPerSecond = 100

// CPU is the computing time that a process has taken so far, in units of 10 ms;
// 0 where the system does not tell.
func CPU(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is a name in parentheses, which may hold anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const user, system = 11, 12 // after the name
	if len(fields) <= system {
		return 0
	}
	ticks := 0
	for _, field := range []string{fields[user], fields[system]} {
		n, _ := strconv.Atoi(field) // digits
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

var (
	residentMemory = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)
	peakMemory     = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
)

// Memory is what a process holds now, in KiB; 0 where the system does not tell.
func Memory(pid int) int { return status(pid, residentMemory) }

// PeakMemory is the most that a process held so far, in KiB; 0 where the system
// does not tell.
func PeakMemory(pid int) int { return status(pid, peakMemory) }

// Descriptors counts what a process has open; 0 where the system does not tell.
func Descriptors(pid int) int {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	return len(open)
}

func status(pid int, line *regexp.Regexp) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	found := line.FindSubmatch(text)
	if found == nil {
		return 0
	}
	kib, _ := strconv.Atoi(string(found[1])) // digits
	return kib
}
