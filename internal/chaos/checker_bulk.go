package main

import (
	"maps"
	"slices"

	"github.com/seriatim-go/seriatim/protocol"
)

// bulkContent is what was submitted of one content, and what became of it.
type bulkContent struct {
	submission
	// succeeded and other count executions, those of reruns too.
	succeeded, other int
	ids              []string
	inDoubt          int // messages, as the results tell
}

// checkBulk finds, of imports and mailings, parts that did not arrive though their
// operation succeeded (I1), and parts that arrived more often than they may (I4).
func (c *checker) checkBulk() {
	contents := c.bulkContents()
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		content := contents[name]
		if content.Type == importType {
			c.checkParts(name, content, c.rows[name], 0, "row")
			c.checkHoles(name, content)
			c.checkCheckpoints(content)
			continue
		}
		twice := c.checkParts(name, content, c.messages[name], c.mayDouble(content.ids), "message")
		if content.succeeded > 0 && content.other == 0 && twice > content.inDoubt {
			c.add(4, "%s: %d of its messages arrived more than once, and its results have %d in doubt", name, twice, content.inDoubt)
		}
	}
	for _, list := range []arrived{c.rows, c.messages} {
		for name := range list {
			if _, submitted := contents[name]; !submitted {
				c.add(4, "%s arrived, and nobody submitted it", name)
			}
		}
	}
}

// bulkContents are those that were submitted, by their names.
func (c *checker) bulkContents() map[string]*bulkContent {
	contents := make(map[string]*bulkContent)
	for _, s := range c.evidence.submitted {
		name := bulkName(s.ID, s.Version)
		if s.Parts == 0 || contents[name] != nil {
			continue
		}
		contents[name] = &bulkContent{submission: s.submission}
		for _, x := range c.executionsOf[s.ID] {
			if x.hash == s.Hash {
				c.addExecutions(contents[name], s.ID)
				break
			}
		}
	}
	return contents
}

// addExecutions adds those of an id that has the content, and of its reruns.
func (c *checker) addExecutions(content *bulkContent, id string) {
	content.ids = append(content.ids, id)
	for _, x := range c.executionsOf[id] {
		content.inDoubt += x.inDoubt
		if x.status == "Completed" {
			content.succeeded++
		} else {
			content.other++
		}
	}
	for _, a := range c.asked {
		if a.verb == protocol.RerunUpdateName && a.id == id && !slices.Contains(content.ids, a.newID) {
			c.addExecutions(content, a.newID)
		}
	}
}

// checkParts: each part arrived with every execution that succeeded, and at most
// once with each, but for so many times. It answers how many parts came more often.
func (c *checker) checkParts(name string, content *bulkContent, numbers map[int]int, window int, what string) (twice int) {
	again := 0
	for n := 1; n <= content.Parts; n++ {
		if numbers[n] < content.succeeded {
			c.add(1, "%s: %s %d arrived %d times, and %d executions succeeded", name, what, n, numbers[n], content.succeeded)
		}
		if more := numbers[n] - content.succeeded - content.other; more > 0 {
			again += more
			twice++
		}
	}
	if again > window {
		c.add(4, "%s: %ss arrived again %d times, and %d times they may", name, what, again, window)
	}
	for n := range numbers {
		if n < 1 || n > content.Parts {
			c.add(4, "%s: %s %d arrived, of %d", name, what, n, content.Parts)
		}
	}
	return twice
}

// checkHoles: an import that did not get to its end left none out before.
func (c *checker) checkHoles(name string, content *bulkContent) {
	for n := 2; n <= content.Parts; n++ {
		if c.rows[name][n] > c.rows[name][n-1] {
			c.add(1, "%s: row %d is there %d times, and row %d %d times", name, n, c.rows[name][n], n-1, c.rows[name][n-1])
		}
	}
}

// checkCheckpoints: the last attempt of an import that succeeded is the last that
// the database took rows of.
func (c *checker) checkCheckpoints(content *bulkContent) {
	for _, id := range content.ids {
		attempts := c.attemptsOf[id] // sorted by fence
		completed := func(x execution) bool { return x.status == "Completed" }
		if len(attempts) == 0 || !slices.ContainsFunc(c.executionsOf[id], completed) {
			continue
		}
		if last := attempts[len(attempts)-1].fence; c.checkpoints[id] != last {
			c.add(4, "%s: the database took attempt %s last, and %s was the last", id, c.checkpoints[id], last)
		}
	}
}

// mayDouble is how many messages of these operations may have gone out twice: one
// for each attempt that did not get to its end.
func (c *checker) mayDouble(ids []string) (n int) {
	for _, id := range ids {
		for _, a := range c.attemptsOf[id] {
			if a.outcome != string(protocol.OutcomeSucceeded) {
				n++
			}
		}
	}
	return n
}
