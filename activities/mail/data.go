package mail

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/seriatim-go/seriatim/activities"
	"github.com/seriatim-go/seriatim/activities/files"
	"github.com/seriatim-go/seriatim/protocol"
)

// Bounds of an operation's data.
const (
	maxTemplateBytes   = 256 << 10
	maxSubjectBytes    = 998 // RFC 5322's longest line
	maxCheckpointEvery = 1000
)

// data is the data of an operation of type bulk.email.
type data struct {
	// Connection is a name of the worker's configuration, smtp.connections.
	Connection string `json:"connection"`
	// From is the sender, "Name <a@b.example>" or an address; the connection's own
	// by default. ReplyTo is where answers go, if elsewhere.
	From    string `json:"from"`
	ReplyTo string `json:"replyTo"`
	// Subject, Text and HTML are templates over a recipient's values; one of Text
	// and HTML may be missing.
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
	// Headers are further ones, templates too: List-*, X-*, Precedence,
	// Auto-Submitted, Feedback-ID, Importance, Organization.
	Headers map[string]string `json:"headers"`
	// The list is Recipients, or a file's rows, or those of a query. An address that
	// is there twice gets one message.
	Recipients      []recipient    `json:"recipients"`
	RecipientsFile  *fileOfPeople  `json:"recipientsFile"`
	RecipientsQuery *queryOfPeople `json:"recipientsQuery"`
	// Suppress are addresses that get none; those of SuppressFile are read when an
	// attempt begins.
	Suppress     []string      `json:"suppress"`
	SuppressFile *fileOfPeople `json:"suppressFile"`
	// RejectedFile is a file below files.root that gets all rejections, one JSON
	// object a line: the result has the first 100.
	RejectedFile string `json:"rejectedFile"`
	// DryRun renders and checks everything, and sends nothing.
	DryRun bool `json:"dryRun"`
	// CheckpointEvery is after how many messages the checkpoint is kept, 1..1000;
	// default 1. So many may be sent twice when a worker is killed.
	CheckpointEvery *int `json:"checkpointEvery"`
}

// recipient is one entry of the list.
type recipient struct {
	// To is an address; Name is shown before it.
	To   string `json:"to"`
	Name string `json:"name"`
	// Values are what templates refer to as .key.
	Values values `json:"values"`

	problem string // of an entry that could not be read
}

// values keep numbers as they were written: an account number is no float.
type values map[string]any

// UnmarshalJSON reads an object.
func (v *values) UnmarshalJSON(raw []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var read map[string]any
	if err := decoder.Decode(&read); err != nil {
		return err
	}
	*v = withoutNulls(read)
	return nil
}

// withoutNulls drops what has no value: it is missing, and must not be written as
// "<no value>".
func withoutNulls(object map[string]any) map[string]any {
	for name, value := range object {
		switch value := value.(type) {
		case nil:
			delete(object, name)
		case map[string]any:
			withoutNulls(value)
		case []any:
			object[name] = slices.DeleteFunc(value, func(each any) bool {
				if inner, ok := each.(map[string]any); ok {
					withoutNulls(inner)
				}
				return each == nil
			})
		}
	}
	return object
}

// job is an operation's data, checked and ready to be sent.
type job struct {
	operation string // its id
	files     files.Folder
	server    *server
	from      *mail.Address
	replyTo   *mail.Address
	templates templates
	list      list
	suppress  map[key]bool
	unwanted  list // more of suppress, nil for none
	rejected  string
	every     int
}

// newJob checks the data; the error joins one for each field that is wrong.
func (h *handler) newJob(r activities.Request, d data) (*job, error) {
	j := &job{operation: r.Operation.ID, every: 1, files: h.files, rejected: d.RejectedFile}
	var problems []error
	refuse := func(err error) { problems = append(problems, err) }
	known := false
	if j.server, known = h.servers[d.Connection]; !known {
		refuse(wrong("connection", d.Connection,
			fmt.Sprintf("is not in the worker's configuration under smtp.connections, which has [%s]", h.names())))
	}
	refuse(j.setSender(d))
	refuse(j.setTemplates(d))
	refuse(h.setLists(j, d))
	refuse(j.setSuppressed(d.Suppress))
	if d.RejectedFile != "" {
		refuse(h.files.Check("data.rejectedFile", d.RejectedFile))
	}
	if d.CheckpointEvery != nil {
		if j.every = *d.CheckpointEvery; j.every < 1 || j.every > maxCheckpointEvery {
			refuse(wrong("checkpointEvery", fmt.Sprint(j.every), fmt.Sprintf("is not in 1..%d", maxCheckpointEvery)))
		}
	}
	return j, errors.Join(problems...)
}

// setSender reads From and ReplyTo.
func (j *job) setSender(d data) error {
	var problems []error
	if d.From == "" && j.server != nil {
		j.from = j.server.from
	}
	for _, field := range []struct {
		name, value string
		into        **mail.Address
	}{{"from", d.From, &j.from}, {"replyTo", d.ReplyTo, &j.replyTo}} {
		if field.value == "" {
			continue
		}
		address, err := parseSender(field.value)
		if err != nil {
			problems = append(problems, wrong(field.name, field.value, err.Error()))
		}
		*field.into = address
	}
	if j.from == nil && d.From == "" && j.server != nil {
		problems = append(problems, wrong("from", "", "is missing, and the connection has none"))
	}
	return errors.Join(problems...)
}

// setTemplates reads subject, text, HTML and headers.
func (j *job) setTemplates(d data) error {
	var problems []error
	add := func(field, text string, limit int, into *template, parse func(name, text string) (template, error)) {
		switch parsed, err := parse(field, text); {
		case len(text) > limit:
			problems = append(problems, wrong(field, "", fmt.Sprintf("has %d bytes, the limit is %d", len(text), limit)))
		case err != nil:
			problems = append(problems, wrong(field, "", err.Error()))
		default:
			*into = parsed
		}
	}
	add("subject", d.Subject, maxSubjectBytes, &j.templates.subject, parseText)
	if strings.TrimSpace(d.Subject) == "" {
		problems = append(problems, wrong("subject", d.Subject, "is empty"))
	}
	if d.Text != "" {
		add("text", d.Text, maxTemplateBytes, &j.templates.text, parseText)
	}
	if d.HTML != "" {
		add("html", d.HTML, maxTemplateBytes, &j.templates.html, parseHTML)
	}
	if d.Text == "" && d.HTML == "" {
		problems = append(problems, wrong("text", "", "is missing, and so is data.html"))
	}
	seen := make(map[string]bool)
	for _, name := range sortedKeys(d.Headers) {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if problem := headerProblem(canonical, seen[canonical]); problem != "" {
			problems = append(problems, wrong("headers."+name, "", problem))
			continue
		}
		seen[canonical] = true
		header := headerTemplate{name: canonical}
		add("headers."+name, d.Headers[name], maxSubjectBytes, &header.value, parseText)
		j.templates.headers = append(j.templates.headers, header)
	}
	return errors.Join(problems...)
}

// freeHeaders are those that an operation may set, beside List-* and X-*. All
// others are the message's frame, which is set here.
var freeHeaders = []string{"Precedence", "Auto-Submitted", "Feedback-Id", "Importance", "Organization"}

func headerProblem(name string, taken bool) string {
	switch {
	case taken:
		return "is there twice in different spellings"
	case !httpguts.ValidHeaderFieldName(name):
		return "is not a header name"
	case strings.HasPrefix(name, "X-"), strings.HasPrefix(name, "List-"), slices.Contains(freeHeaders, name):
		return ""
	}
	return "is not one that an operation may set: those are List-*, X-*, " + strings.Join(freeHeaders, ", ")
}

// setSuppressed reads the addresses that get nothing.
func (j *job) setSuppressed(addresses []string) error {
	var problems []error
	j.suppress = make(map[key]bool, len(addresses))
	for i, address := range addresses {
		parsed, err := parseRecipient(address)
		if err != nil {
			problems = append(problems, wrong(fmt.Sprintf("suppress[%d]", i), address, err.Error()))
			continue
		}
		j.suppress[keyOf(parsed)] = true
	}
	return errors.Join(problems...)
}

// wrong refuses a field of the operation's data.
func wrong(field, value, problem string) error {
	if value != "" {
		value = fmt.Sprintf("%.80q", value)
	}
	return &protocol.FieldError{Field: "data." + field, Value: value, Problem: problem}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, cmp.Compare[string])
	return keys
}
