package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/seriatim-go/seriatim/internal/services"
)

// What two workers deliver.
const (
	tokens        = 20
	perToken      = 15
	allOperations = tokens * perToken
)

// deliver has two workers deliver operations over HTTP and kills one of them in the
// middle, disturbs the server, then checks that each arrived, in order, and never two of a token at a
// time (SPEC 4.1, 8.1), and has each token's histories prove it.
func deliver(ctx context.Context, s site, where string, disturb func(context.Context) error, out io.Writer) (err error) {
	r, err := startReceiver()
	if err != nil {
		return err
	}
	defer r.close()
	first, err := s.startWorker("1")
	if err != nil {
		return err
	}
	defer func() { first.Kill() }()
	second, err := s.startWorker("2")
	if err != nil {
		return err
	}
	defer func() { second.Kill() }()
	begin := time.Now()
	submitted, err := s.submit(ctx, r)
	if err != nil {
		return err
	}
	if err := second.Wait(ctx, r.has(allOperations/3)); err != nil {
		return err
	}
	first.Kill()
	if err := disturb(ctx); err != nil {
		return err
	}
	if err := s.awaitAll(ctx, submitted); err != nil {
		return second.Failure(err)
	}
	took := time.Since(begin)
	if err := errors.Join(r.check(submitted), second.Stop(syscall.SIGTERM)); err != nil {
		return second.Failure(err)
	}
	if err := s.verify(ctx, submitted); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%s: two workers, one of them killed, %d operations of %d tokens delivered in order in %.1f s, %d attempts; lost 0, overtaken 0, overlapping 0\n",
		where, allOperations, tokens, took.Seconds(), r.received())
	return nil
}

// has waits for so many deliveries.
func (r *receiver) has(n int) func(context.Context) error {
	return func(context.Context) error {
		if got := r.received(); got < n {
			return fmt.Errorf("%d of %d deliveries came", got, n)
		}
		return nil
	}
}

// submit hands the operations to the starter as one file, and answers their ids by
// token.
func (s site) submit(ctx context.Context, r *receiver) (map[string][]string, error) {
	var file bytes.Buffer
	lines, submitted := json.NewEncoder(&file), map[string][]string{}
	for n := range perToken {
		for t := range tokens {
			token := fmt.Sprintf("customer-%d", t)
			id := fmt.Sprintf("%s-%d", token, n)
			submitted[token] = append(submitted[token], id)
			_ = lines.Encode(map[string]any{
				"id": id, "operationType": "http.request", "dependencyToken": token,
				"data": map[string]string{"method": "POST", "url": r.url(token)},
			}) // a buffer takes all
		}
	}
	command, err := s.starter("submit", "--file", "-")
	if err != nil {
		return nil, err
	}
	command.Stdin = &file
	return submitted, services.RunToEnd(ctx, s.Folder, "submit", command)
}

// awaitAll waits for the last operation of each token.
func (s site) awaitAll(ctx context.Context, submitted map[string][]string) error {
	for token, ids := range submitted {
		command, err := s.starter("wait", ids[len(ids)-1], "--token", token)
		if err != nil {
			return err
		}
		if err := services.RunToEnd(ctx, s.Folder, "wait", command); err != nil {
			return err
		}
	}
	return nil
}

// verify reads the histories of every token.
func (s site) verify(ctx context.Context, submitted map[string][]string) error {
	for token := range submitted {
		command, err := s.starter("verify", token)
		if err != nil {
			return err
		}
		if err := services.RunToEnd(ctx, s.Folder, "verify", command); err != nil {
			return fmt.Errorf("verify %s: %w", strings.TrimSpace(token), err)
		}
	}
	return nil
}
