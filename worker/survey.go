package main

import (
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/seriatim-go/seriatim/internal/config"
	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// surveyRate is how many tokens a second a survey asks: each costs the server a
// query and two looks, and a token that no worker remembers a replay.
const surveyRate = 20

// tokenReader answers all tokens; opclient.Client is one.
type tokenReader interface {
	Tokens(ctx context.Context, f opclient.TokenFilter) iter.Seq2[opclient.TokenState, error]
}

// survey asks every token how it is, over and over, and exposes what that adds up
// to. Each worker that does so exposes the same: take the maximum over them, never
// the sum.
type survey struct {
	reader  tokenReader
	every   time.Duration
	limiter *rate.Limiter
	logger  *slog.Logger

	mu   sync.Mutex
	last *findings
}

// findings are what one round saw.
type findings struct {
	begun, ended                   time.Time
	tokens, held, failed, unread   int
	queued, deepest                int
	oldestHead                     time.Time // zero where none runs
	waitingHeads, suspendedByError int
}

func newSurvey(reader tokenReader, every time.Duration, logger *slog.Logger) *survey {
	return &survey{reader: reader, every: every, limiter: rate.NewLimiter(surveyRate, 1), logger: logger}
}

// run surveys until ctx is done; a pause is every, or as long as the last round
// took where that is longer.
func (s *survey) run(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		found, err := s.round(ctx)
		switch {
		case err == nil:
			s.set(found)
		case ctx.Err() == nil:
			s.logger.Warn("The tokens cannot be surveyed.", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(max(s.every, time.Since(begun))):
		}
	}
}

// beginSurvey has the tokens surveyed where that is exposed, until the function
// that it answers has been called.
func beginSurvey(ctx context.Context, c config.Worker, reader tokenReader, counted metrics, logger *slog.Logger) (end func()) {
	if c.HTTPAddress == "" || c.SurveyInterval == 0 {
		return func() {}
	}
	s := newSurvey(reader, c.SurveyInterval, logger)
	counted.registry.MustRegister(s)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (s *survey) set(found findings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = &found
}

// round asks each token once. The error is that there is no list of them.
func (s *survey) round(ctx context.Context) (findings, error) {
	found := findings{begun: time.Now()}
	for token, err := range s.reader.Tokens(ctx, opclient.TokenFilter{}) {
		switch {
		case err != nil && token.WorkflowID == "":
			return found, err
		case err != nil:
			found.unread++
		default:
			found.add(token)
		}
		if err := s.limiter.Wait(ctx); err != nil {
			return found, err
		}
	}
	found.ended = time.Now()
	return found, ctx.Err()
}

// add counts a token in.
func (f *findings) add(t opclient.TokenState) {
	if !t.Running {
		return // it was listed, and has become idle since
	}
	f.tokens++
	f.queued += t.Queued
	f.deepest = max(f.deepest, t.Queued)
	if t.Hold != nil {
		f.held++
	}
	if t.Failure != nil {
		f.failed++
	}
	switch head := t.Head; {
	case head == nil || t.HeadSince == nil:
	case head.SuspendReason == protocol.SuspendError:
		f.suspendedByError++
	case head.StatusCode == protocol.Waiting:
		f.waitingHeads++
	case f.oldestHead.IsZero() || t.HeadSince.Before(f.oldestHead):
		f.oldestHead = *t.HeadSince
	}
}

// surveyed are the gauges of a survey.
var surveyed = []struct {
	described
	value func(findings) float64
}{
	{described{"seriatim_tokens", gauge, "Tokens whose serializer runs."}, func(f findings) float64 { return float64(f.tokens) }},
	{described{"seriatim_tokens_held", gauge, "Tokens that a person holds, or that stand for a lost page."}, func(f findings) float64 { return float64(f.held) }},
	{described{"seriatim_tokens_failed", gauge, "Tokens that stand since an operation failed."}, func(f findings) float64 { return float64(f.failed) }},
	{described{"seriatim_tokens_unread", gauge, "Tokens that did not answer the last survey."}, func(f findings) float64 { return float64(f.unread) }},
	{described{"seriatim_operations_queued", gauge, "Operations that wait behind the heads of all tokens."}, func(f findings) float64 { return float64(f.queued) }},
	{described{"seriatim_queue_depth_max", gauge, "Operations that wait behind the head of the token with the most."}, func(f findings) float64 { return float64(f.deepest) }},
	{described{"seriatim_heads_waiting", gauge, "Heads that are Suspended: postponed, paused, or waiting for a retry."}, func(f findings) float64 { return float64(f.waitingHeads) }},
	{described{"seriatim_heads_error", gauge, "Heads whose handler asked for a person."}, func(f findings) float64 { return float64(f.suspendedByError) }},
	{described{"seriatim_oldest_head_age_seconds", gauge, "How long the oldest head that is not Suspended has been the head; 0 where there is none."}, findings.oldestAge},
	{described{"seriatim_survey_timestamp_seconds", gauge, "When the last survey that came to its end began."}, func(f findings) float64 { return float64(f.begun.UnixMilli()) / 1000 }},
	{described{"seriatim_survey_duration_seconds", gauge, "How long it took."}, func(f findings) float64 { return f.ended.Sub(f.begun).Seconds() }},
}

func (f findings) oldestAge() float64 {
	if f.oldestHead.IsZero() {
		return 0
	}
	return max(0, f.begun.Sub(f.oldestHead).Seconds())
}

// Describe tells nothing: before the first round there is nothing to expose.
func (s *survey) Describe(chan<- *prometheus.Desc) {}

// Collect exposes the last round.
func (s *survey) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return
	}
	for _, g := range surveyed {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(g.name, g.help, nil, nil), prometheus.GaugeValue, g.value(*s.last))
	}
}
