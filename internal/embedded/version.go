package embedded

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// oldestServer is the minor version of the oldest Temporal server that is
// used: 1.28 is the first on which worker deployments work unasked.
const oldestServer = 28

const versionTimeout = 10 * time.Second

var serverVersion = regexp.MustCompile(`Server (1)\.(\d+)\.`)

// programVersion returns what "temporal --version" prints.
func programVersion(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	command := exec.CommandContext(ctx, program, "--version")
	command.Env = environment()
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", program, err)
	}
	return strings.TrimSpace(string(output)), nil
}

// checkVersion reads a line such as
// "temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)".
func checkVersion(line string) error {
	match := serverVersion.FindStringSubmatch(line)
	if match == nil {
		return fmt.Errorf("its version %q names no Temporal server", line)
	}
	if minor, err := strconv.Atoi(match[2]); err != nil || minor < oldestServer {
		return fmt.Errorf("its version %q is older than server 1.%d", line, oldestServer)
	}
	return nil
}
