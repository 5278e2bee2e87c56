package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/seriatim-go/seriatim/protocol"
)

// encryptionOf is what the doctor says of encryption.
func encryptionOf(t *testing.T, f *fake, args ...string) []finding {
	t.Helper()
	f.operator, f.patient = &operator{namespace: true, attributes: map[string]enumspb.IndexedValueType{}}, &patient{version: "1.32.0"}
	r := start(t, f, "", append([]string{"doctor", "-o", "json"}, args...)...)
	var all, of []finding
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &all), r.stderr)
	for _, each := range all {
		if each.Check == "encryption" {
			of = append(of, each)
		}
	}
	return of
}

// remembered is an execution whose memo came as it is, or under a key.
func remembered(key string) *workflowpb.WorkflowExecutionInfo {
	payload := &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`"x"`)}
	if key != "" {
		payload.Metadata = map[string][]byte{"encoding": []byte(protocol.EncryptedEncoding), protocol.EncryptionKeyIDMetadata: []byte(key)}
	}
	return &workflowpb.WorkflowExecutionInfo{Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{protocol.TypeMemo: payload}}}
}

func TestDoctorTellsWhetherOperationsCanBeRead(t *testing.T) {
	t.Parallel()
	keys := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(keys, []byte("a "+strings.Repeat("A", 43)+"=\n"), 0o600))
	for name, test := range map[string]struct {
		listed       []*workflowpb.WorkflowExecutionInfo
		args         []string
		status, says string
	}{
		"in the open":          {[]*workflowpb.WorkflowExecutionInfo{remembered("")}, nil, checkOK, "off: this command line submits in the open; it reads the latest operation"},
		"nothing there":        {nil, nil, checkOK, "no operation is there to try"},
		"encrypted, no keys":   {[]*workflowpb.WorkflowExecutionInfo{remembered("2026-11"), remembered("")}, nil, checkWarn, `of the latest 2 operations tried, it cannot read 1, encrypted under key "2026-11"`},
		"the keys are there":   {[]*workflowpb.WorkflowExecutionInfo{remembered(""), remembered("")}, []string{"--encryption-key-file", keys}, checkOK, "on, with the keys of " + keys + "; it reads the latest 2 operations"},
		"under a key not here": {[]*workflowpb.WorkflowExecutionInfo{remembered("b")}, []string{"--encryption-key-file", keys}, checkWarn, `cannot read 1, encrypted under key "b"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := encryptionOf(t, &fake{listed: test.listed}, test.args...)
			require.Len(t, found, 1)
			require.Equal(t, test.status, found[0].Status)
			require.Contains(t, found[0].Message, test.says)
			if test.status == checkWarn {
				require.Contains(t, found[0].Hint, "SERIATIM_ENCRYPTION_KEYFILE")
			}
		})
	}
}

func TestDoctorComparesKeysWithTheWorkers(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	keys := filepath.Join(folder, "keys")
	require.NoError(t, os.WriteFile(keys, []byte("a "+strings.Repeat("A", 43)+"=\n"), 0o600))
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	open := write("open.yaml", "")
	sealed := write("sealed.yaml", "encryption: {keyFile: keys}")
	lost := write("lost.yaml", "encryption: {keyFile: none}")
	for name, test := range map[string]struct {
		args         []string
		status, says string
	}{
		"the worker encrypts":         {[]string{"--config", sealed}, checkWarn, "the worker encrypts, and this command line has no keys"},
		"the command line encrypts":   {[]string{"--config", open, "--encryption-key-file", keys}, checkWarn, "what it submits cannot run"},
		"the worker's keys are away":  {[]string{"--config", lost}, checkFail, "encryption.keyFile"},
		"both":                        {[]string{"--config", sealed, "--encryption-key-file", keys}, checkOK, "on, with"},
		"neither of them has any key": {[]string{"--config", open}, checkOK, "off"},
	} {
		found := encryptionOf(t, &fake{}, test.args...)
		require.NotEmpty(t, found, name)
		require.Equal(t, test.status, found[0].Status, name)
		require.Contains(t, found[0].Message, test.says, name)
	}
}
