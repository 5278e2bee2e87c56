package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seriatim-go/seriatim/activities/internal/shortage"
	"github.com/seriatim-go/seriatim/protocol"
)

// Bounds of what is kept of a response beside the body in a result.
const (
	maxQuotedBytes = 2 << 10
	maxHeaderBytes = 2 << 10
)

// httpResult is the result of an operation that succeeded.
type httpResult struct {
	Status int `json:"status"`
	// Headers are content-type and location, where the response has them.
	Headers map[string]string `json:"headers,omitempty"`
	// Body is JSON where the response is, else a string.
	Body json.RawMessage `json:"body,omitempty"`
	// Truncated says that the response was longer than what is kept.
	Truncated bool `json:"truncated,omitempty"`
}

// received is a response with the part of its body that is kept.
type received struct {
	*http.Response
	content   []byte
	truncated bool
}

// receive reads at most limit bytes of the body.
func receive(response *http.Response, limit int) (received, error) {
	content, err := io.ReadAll(io.LimitReader(response.Body, int64(limit)+1))
	r := received{Response: response, content: content}
	if len(content) > limit {
		r.content, r.truncated = content[:limit], true
	}
	return r, err
}

// outcome judges the response by its status.
func (r received) outcome() protocol.Outcome {
	switch status := r.StatusCode; {
	case status >= 200 && status < 300:
		return r.success()
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return r.retry().WithDelay(retryAfter(r.Header.Get("Retry-After"), time.Now()))
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return r.retry()
	case status >= 300 && status < 400:
		return protocol.Failure(r.code(), r.message()).WithFriendly(fmt.Sprintf(
			"The receiver answered %s and pointed to another address where the request cannot follow.", r.status()))
	}
	return protocol.Failure(r.code(), r.message()).
		WithFriendly(fmt.Sprintf("The receiver refused the request: %s.", r.status()))
}

func (r received) retry() protocol.Outcome {
	return protocol.Retry(r.code(), r.message()).
		WithFriendly(fmt.Sprintf("The receiver could not take the request: %s.", r.status()))
}

func (r received) code() string { return fmt.Sprintf("HTTP %d", r.StatusCode) }

func (r received) status() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", r.StatusCode, http.StatusText(r.StatusCode)))
}

// message names the request, the status and the beginning of the body.
func (r received) message() string {
	request := r.Request
	message := fmt.Sprintf("%s %s answered %s", request.Method, shown(request.URL), r.status())
	if location := r.Header.Get("Location"); location != "" {
		message += " with location " + cut(redacted(location), maxHeaderBytes)
	}
	if len(r.content) == 0 {
		return message
	}
	return message + ": " + cut(strings.ToValidUTF8(string(r.content), "\uFFFD"), maxQuotedBytes)
}

// success keeps the answer as the result. What does not fit in a result is cut:
// the request was accepted, so the operation must not fail.
func (r received) success() protocol.Outcome {
	result := httpResult{Status: r.StatusCode, Headers: r.kept(), Truncated: r.truncated}
	if r.isJSON() {
		result.Body = r.content
		if outcome := protocol.Success(result); outcome.Kind == protocol.OutcomeSucceeded {
			return outcome
		}
	}
	for text := strings.ToValidUTF8(string(r.content), "\uFFFD"); ; text = cut(text, len(text)/2) {
		result.Body = textBody(text)
		if outcome := protocol.Success(result); outcome.Kind == protocol.OutcomeSucceeded {
			return outcome
		}
		result.Truncated = true // encoded it is longer than a result may be
	}
}

func textBody(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	encoded, _ := json.Marshal(text) // a string always encodes
	return encoded
}

// isJSON says whether the body is kept as JSON: where its type says so, and for
// an object or array of any type.
func (r received) isJSON() bool {
	if r.truncated || len(r.content) == 0 || !utf8.Valid(r.content) || !json.Valid(r.content) {
		return false
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json") ||
		strings.ContainsAny(strings.TrimSpace(string(r.content))[:1], "{[")
}

func (r received) kept() map[string]string {
	headers := map[string]string{}
	for _, name := range []string{"content-type", "location"} {
		if value := r.Header.Get(name); value != "" {
			headers[name] = cut(value, maxHeaderBytes)
		}
	}
	return headers
}

// retryAfter reads seconds or an HTTP date; 0 leaves the wait to the type's
// retry policy.
func retryAfter(value string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(seconds, int(MaxRetryAfter.Seconds()))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), MaxRetryAfter)
}

// notAnswered judges a request that got no whole answer: refused by a rule of
// ours it fails, cancelled it ends so, else it is retried.
func notAnswered(ctx context.Context, err error) protocol.Outcome {
	err = withoutQuery(err)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		return protocol.Failure(refused.code, err.Error()).WithFriendly(refused.friendly)
	case ctx.Err() != nil:
		return protocol.Cancellation()
	case shortage.Is(err):
		return shortage.Retry(err)
	case errors.Is(err, context.DeadlineExceeded):
		return protocol.Retry("Timeout", err.Error()).WithFriendly("The receiver did not answer in time.")
	}
	return protocol.Retry("NoAnswer", err.Error()).WithFriendly("The receiver could not be reached.")
}
