// Command etcd is etcd's own server: the module that holds its main package replaces others by folders and cannot be built from outside.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
