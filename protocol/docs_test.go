package protocol

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// blocks are the fenced blocks of docs/protocol.md in that language.
func blocks(t *testing.T, language string) (blocks []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/protocol.md")
	require.NoError(t, err)
	for _, found := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```").FindAllStringSubmatch(string(page), -1) {
		blocks = append(blocks, found[1])
	}
	require.NotEmpty(t, blocks)
	return blocks
}

// Each message on the page is one that the code reads, with no name that it does
// not know.
func TestMessagesOfTheDocsAreRead(t *testing.T) {
	t.Parallel()
	for _, block := range blocks(t, "json") {
		var reads []string
		for name, message := range map[string]any{
			"Operation": &Operation{}, "Record": &Record{}, "Reject": &Reject{}, "SerializerState": &SerializerState{},
			"Refusal": &Refusal{}, "HandlerInput": &HandlerInput{}, "FailureDetails": &FailureDetails{}, "Heartbeat": &Heartbeat{}, "QueuePage": &QueuePage{}, "ControlRequest": &ControlRequest{},
			"Event": &Event{}, "EventOutcome": &EventOutcome{},
		} {
			decoder := json.NewDecoder(strings.NewReader(block))
			decoder.DisallowUnknownFields()
			if decoder.Decode(message) == nil {
				reads = append(reads, name)
			}
		}
		require.NotEmpty(t, reads, block)
	}
}

// The requests of the command lines and of the HTTP lines are those of the golden
// files, so that a client that is checked against one is checked against both.
func TestRequestsOfTheDocsAreTheGoldenFiles(t *testing.T) {
	t.Parallel()
	shapes := []*regexp.Regexp{
		regexp.MustCompile(`temporal workflow (?:update execute|query) --workflow-id (token|operation):\S+ --name (\w+) +--input '([^']*)'`),
		regexp.MustCompile(`--update-name (\w+) +--update-input '([^']*)' +--workflow-id (token):`),
		regexp.MustCompile(`(?m)^update (token|operation):\S+ (\w+) '([^']*)'`),
	}
	goldens := map[string]string{
		"token cancel": "cancel-queued", "token postpone": "postpone-queued", "token hold": "hold", "token release": "release",
		"token skip": "release", "token cancelAll": "release", "token setPolicy": "set-policy", "token rerun": "rerun",
		"token list": "list-request", "token find": "find-request", "operation cancel": "cancel-started",
		"operation pause": "pause", "operation resume": "resume", "operation postpone": "postpone-started",
	}
	seen := map[string]int{}
	for _, block := range blocks(t, "sh") {
		block = strings.ReplaceAll(block, "\\\n", "")
		for i, shape := range shapes {
			for _, found := range shape.FindAllStringSubmatch(block, -1) {
				where, name, request := found[1], found[2], found[3]
				if i == 1 {
					where, name, request = found[3], found[1], found[2]
				}
				golden, err := os.ReadFile(filepath.Join("testdata", goldens[where+" "+name]+".json"))
				require.NoError(t, err, found[0])
				require.JSONEq(t, string(golden), request, found[0])
				seen[where+" "+name]++
			}
		}
	}
	for request := range goldens {
		if request == "token list" || request == "token find" {
			require.Equal(t, 1, seen[request], "on the command line")
			continue
		}
		require.Equal(t, 2, seen[request], "%s: on the command line and over HTTP", request)
	}
}

// The temporal command line cannot run here: its flags are checked against those
// that its reference lists.
func TestCommandLinesOfTheDocsUseKnownFlags(t *testing.T) {
	t.Parallel()
	start := []string{"workflow-id", "type", "task-queue", "input", "id-reuse-policy", "id-conflict-policy"}
	flags := map[string][]string{
		"signal-with-start":         append([]string{"signal-name", "signal-input"}, start...),
		"start":                     start,
		"execute-update-with-start": append([]string{"update-name", "update-input", "update-id"}, start...),
		"update execute":            {"workflow-id", "name", "input", "update-id"},
		"query":                     {"workflow-id", "name", "input"},
		"result":                    {"workflow-id"},
	}
	line := regexp.MustCompile(`(?m)^temporal workflow (update execute|[a-z-]+) (.*)$`)
	commands := 0
	for _, block := range blocks(t, "sh") {
		for _, found := range line.FindAllStringSubmatch(strings.ReplaceAll(block, "\\\n", ""), -1) {
			known := flags[found[1]]
			require.NotEmpty(t, known, found[0])
			unquoted := regexp.MustCompile(`'[^']*'`).ReplaceAllString(found[2], "")
			for _, flag := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(unquoted, -1) {
				require.True(t, slices.Contains(known, flag[1]), "%s: --%s", found[0], flag[1])
			}
			for _, argument := range regexp.MustCompile(`'([^']*)'`).FindAllStringSubmatch(found[2], -1) {
				require.True(t, json.Valid([]byte(argument[1])), argument[1])
			}
			commands++
		}
	}
	require.Greater(t, commands, 15)
}
