package mail

import (
	"context"
	"fmt"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/protocol"
)

// result is what a succeeded operation answers.
type result struct {
	// Recipients is the length of the list.
	Recipients int `json:"recipients"`
	// Sent are the messages that the server took; of them AlreadySent in earlier
	// attempts.
	Sent        int `json:"sent"`
	AlreadySent int `json:"alreadySent"`
	// Rejected are the first 100 recipients who get none, and why.
	Rejected      []rejection `json:"rejected"`
	RejectedCount int         `json:"rejectedCount"`
	// Duplicates are entries of the list behind one with the same address,
	// Suppressed those that are not to get a message.
	Duplicates int `json:"duplicates"`
	Suppressed int `json:"suppressed"`
	// InDoubt are the first 20 messages that may have gone out twice, with the same
	// Message-ID, since an attempt was lost or a connection broke behind them.
	InDoubt      []doubt `json:"inDoubt,omitempty"`
	InDoubtCount int     `json:"inDoubtCount"`
	// Seconds is how long the last attempt took.
	Seconds float64 `json:"seconds"`
}

// rehearsal is what a dry run answers.
type rehearsal struct {
	DryRun        bool        `json:"dryRun"`
	Recipients    int         `json:"recipients"`
	WouldSend     int         `json:"wouldSend"`
	Rejected      []rejection `json:"rejected"`
	RejectedCount int         `json:"rejectedCount"`
	Duplicates    int         `json:"duplicates"`
	Suppressed    int         `json:"suppressed"`
	// Samples are the first messages, their parts cut after 4 KiB.
	Samples []sample `json:"samples"`
}

type sample struct {
	To      string            `json:"to"`
	Subject string            `json:"subject"`
	Headers map[string]string `json:"headers,omitempty"`
	Text    string            `json:"text,omitempty"`
	HTML    string            `json:"html,omitempty"`
}

const (
	maxSamples     = 3
	maxSampleBytes = 4 << 10
	rehearsedABeat = 1000 // recipients between two looks at ctx
)

// rehearse renders and checks the whole list and sends nothing.
func (j *job) rehearse(ctx context.Context, r activities.Request) protocol.Outcome {
	if err := j.readUnwanted(ctx); err != nil {
		return listUnreadable(err, 0)
	}
	var c counts
	answer := rehearsal{DryRun: true, Samples: []sample{}}
	for p, err := range j.places(ctx) {
		if err != nil {
			return listUnreadable(err, 0)
		}
		if answer.Recipients++; p.at%rehearsedABeat == 0 {
			if ctx.Err() != nil {
				return protocol.Cancellation()
			}
			_ = r.Report(activities.Progress{Done: int64(p.at), Note: "dry run"})
		}
		m, problem := j.prepare(p)
		switch {
		case p.skipped():
			c.skip(p)
		case problem != "":
			c.reject(p.shown(), 0, problem)
		default:
			if answer.WouldSend++; len(answer.Samples) < maxSamples {
				answer.Samples = append(answer.Samples, m.sample())
			}
		}
	}
	answer.Rejected, answer.RejectedCount = nonNil(c.Rejected), c.RejectedCount
	answer.Duplicates, answer.Suppressed = c.Duplicates, c.Suppressed
	return protocol.Success(answer)
}

// prepare renders the message for a place, or says why there can be none.
func (j *job) prepare(p place) (m rendered, problem string) {
	if p.problem != "" || p.skipped() {
		return m, p.problem
	}
	m, err := j.render(p.address, p.recipient)
	if err != nil {
		return m, reasonOf(err)
	}
	return m, ""
}

func (m rendered) sample() sample {
	s := sample{To: m.to.Address, Subject: m.subject, Text: cut(m.text), HTML: cut(m.html)}
	for _, header := range m.headers {
		if s.Headers == nil {
			s.Headers = make(map[string]string)
		}
		s.Headers[header[0]] = header[1]
	}
	return s
}

func cut(text string) string {
	if len(text) <= maxSampleBytes {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:maxSampleBytes], len(text))
}

// nonNil is an array in JSON, also without an entry.
func nonNil(r []rejection) []rejection {
	if r == nil {
		return []rejection{}
	}
	return r
}
