package workflows

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/protocol"
)

// SPEC 4.9: whatever workflow id and start input a client chose, the run either
// knows the one token that the id belongs to, or says why it refuses everything.
func FuzzTokenOf(f *testing.F) {
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	f.Add("token:a", jsonEncoding, []byte(`{"token":"a"}`))
	f.Add("token:a", jsonEncoding, []byte(`{"token":"b"}`))
	f.Add("token:a", "binary/null", []byte{})
	f.Add("operation:a", jsonEncoding, []byte(`{}`))
	f.Add("token:", jsonEncoding, []byte(`[]`))
	f.Add("token:a", jsonEncoding, []byte("\x88"))
	f.Add(protocol.SerializerWorkflowID(string(long)), jsonEncoding, []byte(`{"token":"`+string(long)+`"}`))
	f.Add(protocol.SerializerWorkflowID(string(long)), jsonEncoding, []byte(`{}`))
	f.Fuzz(func(t *testing.T, workflowID, encoding string, input []byte) {
		raw := converter.NewRawValue(&commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding)}, Data: input,
		})
		token, refused, warning := tokenOf(workflowID, raw)
		for _, text := range []string{refused, warning} {
			require.True(t, utf8.ValidString(text))
			require.Less(t, len(text), 2000)
		}
		if refused != "" {
			require.Empty(t, token)
			return
		}
		require.Equal(t, workflowID, protocol.SerializerWorkflowID(token))
	})
}

// SPEC 4.7, 8.3: whatever a signal carries, each part of it is accepted or
// refused, and what a queue keeps of it is bounded.
func FuzzTake(f *testing.F) {
	f.Add(jsonEncoding, []byte(`{"operationType":"a"}`))
	f.Add(jsonEncoding, []byte(`[{"operationType":"a","id":"1"},{"operationType":"a","id":"1"},7]`))
	f.Add(jsonEncoding, []byte(`{"operationType":"a","dependencyToken":"other"}`))
	f.Add(jsonEncoding, []byte(`{"operationType":"a","recurrencePattern":"FREQ=DAILY"}`))
	f.Add(jsonEncoding, []byte(`{"id":"r","operationType":"a","recurrencePattern":"FREQ=HOURLY;INTERVAL=2;BYHOUR=1"}`))
	f.Add(jsonEncoding, []byte(`[{"id":"r","operationType":"a","recurrencePattern":"FREQ=DAILY;"},{"id":"r","operationType":"a"}]`))
	f.Add("binary/plain", []byte(`{}`))
	f.Fuzz(func(t *testing.T, encoding string, data []byte) {
		q := NewQueue(testToken, day)
		n, _ := q.take(converter.NewRawValue(&commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding)}, Data: data,
		}), "", func() bool { return true }, day)
		require.EqualValues(t, n, max(1, q.Counts.Accepted+q.Counts.Rejected+q.Counts.Duplicates+int64(len(q.Recurring))))
		require.Len(t, q.Waiting, int(q.Counts.Accepted))
		require.Equal(t, bytesOf(q), q.Bytes)
		for _, r := range q.Rejects {
			require.LessOrEqual(t, len(r.Reason), maxRejectBytes)
			require.True(t, utf8.ValidString(r.Reason))
		}
	})
}
