// Command rulecheck reads a file of Prometheus rules as Prometheus does, with their expressions and templates, and says what is wrong.
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

func main() {
	groups, problems := rulefmt.ParseFile(os.Args[1], false, model.UTF8Validation)
	if len(problems) > 0 {
		for _, problem := range problems {
			fmt.Fprintln(os.Stderr, problem)
		}
		os.Exit(1)
	}
	rules := 0
	for _, group := range groups.Groups {
		rules += len(group.Rules)
	}
	fmt.Println(rules)
}
