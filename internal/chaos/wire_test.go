package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo answers what it is sent.
func echo(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return listener.Addr().String()
}

func startTestWire(t *testing.T) *wire {
	t.Helper()
	w, err := startWire(echo(t))
	require.NoError(t, err)
	t.Cleanup(w.close)
	return w
}

func connect(t *testing.T, w *wire) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", w.address())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	return c
}

// say sends a line and reads the answer.
func say(t *testing.T, c net.Conn) string {
	t.Helper()
	_, err := io.WriteString(c, "hello\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	return line
}

func TestAWireThatIsCutClosesWhatIsOpenAndWhatComes(t *testing.T) {
	t.Parallel()
	w := startTestWire(t)
	c := connect(t, w)
	require.Equal(t, "hello\n", say(t, c))
	w.cut()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err, "an open one")
	_, err = connect(t, w).Read(make([]byte, 1))
	require.Error(t, err, "a new one")
	w.mend()
	require.Equal(t, "hello\n", say(t, connect(t, w)))
	require.Len(t, w.broken(), 1)
	require.False(t, w.broken()[0].to.IsZero())
}

func TestAWireThatStandsStillLosesNothing(t *testing.T) {
	t.Parallel()
	w := startTestWire(t)
	c := connect(t, w)
	require.Equal(t, "hello\n", say(t, c))
	w.stall()
	_, err := io.WriteString(c, "later\n")
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nothing comes while it stands still")
	w.mend()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(30*time.Second)))
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "later\n", line)
}
