package workflows

import (
	"cmp"
	"encoding/json"
	"slices"
)

// pageContent is what a BacklogPage is started with.
type pageContent struct {
	Token   string  `json:"token"`
	N       int64   `json:"n"`
	Entries []Entry `json:"entries"`
}

// contentOf is what the page is started with. It stands in the history of the run
// that starts it, beside the signals that brought it, so that what can be told
// from the rest is left out.
func contentOf(token string, n int64, entries []Entry) pageContent {
	content := pageContent{Token: token, N: n, Entries: slices.Clone(entries)}
	for i := range content.Entries {
		entry := &content.Entries[i]
		entry.Bytes = 0
		if entry.Hash == entry.Operation.ContentHash() {
			entry.Hash = ""
		}
	}
	return content
}

// complete adds what contentOf left out.
func (e *Entry) complete() {
	e.Hash = cmp.Or(e.Hash, e.Operation.ContentHash())
	if e.Bytes == 0 {
		e.Bytes = e.room()
	}
}

// readPage decodes what a page holds.
func readPage(encoded json.RawMessage) ([]Entry, error) {
	var content pageContent
	if err := json.Unmarshal(encoded, &content); err != nil {
		return nil, err
	}
	for i := range content.Entries {
		content.Entries[i].complete()
	}
	return content.Entries, nil
}
