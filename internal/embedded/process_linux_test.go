package embedded

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asParent makes the test program start a child, print its process id and
// wait to be killed.
const asParent = "SERIATIM_TEST_AS_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(asParent) != "" {
		child := exec.Command("sleep", "600")
		detach(child)
		if err := startChild(child); err != nil {
			panic(err)
		}
		fmt.Println(child.Process.Pid)
		select {}
	}
	os.Exit(m.Run())
}

func TestAChildDiesWithItsParent(t *testing.T) {
	t.Parallel()
	parent := exec.CommandContext(limit(t), os.Args[0])
	parent.Env = append(os.Environ(), asParent+"=1")
	parent.Stderr = os.Stderr
	stdout, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	child, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	require.False(t, gone(child))
	require.NoError(t, parent.Process.Kill())
	_ = parent.Wait()
	requireGone(t, child)
}

// A thread ends with a goroutine that has locked it. The kernel takes that for
// the death of the parent of all that was started from it.
func TestAChildOutlivesTheThreadThatAskedForIt(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(limit(t), "sleep", "600")
	detach(child)
	started, thread := make(chan error), 0
	go func() {
		runtime.LockOSThread()
		thread = syscall.Gettid()
		started <- startChild(child)
	}()
	require.NoError(t, <-started)
	require.Eventually(t, func() bool {
		_, err := os.Stat("/proc/self/task/" + strconv.Itoa(thread))
		return os.IsNotExist(err) || thread == os.Getpid() // Go never ends the main thread
	}, 10*time.Second, time.Millisecond)
	require.False(t, gone(child.Process.Pid))
	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
}

// requireGone waits for the end of a process.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return gone(pid) }, 10*time.Second, 10*time.Millisecond,
		"process %d still runs", pid)
}

// gone counts a process as gone that has ended and that its new parent has
// not noticed yet.
func gone(pid int) bool {
	state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return os.IsNotExist(err) || strings.Contains(string(state), ") Z ")
}
