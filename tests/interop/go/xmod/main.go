// A second opinion on our log formats: golang.org/x/mod/sumdb/note and tlog.
//
// Reads one JSON request a line, writes one JSON answer a line. An answer has an "error" when
// the Go code refuses what it was given.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type request struct {
	Op      string
	Note    []byte
	Keys    []string
	Text    string
	Name    string
	Seed    []byte
	Skey    string // in place of a generated one; only ever a key made for a test
	Size    int64
	Old     int64
	OldRoot []byte
	Root    []byte
	Index   int64
	Entry   []byte
	Entries [][]byte
	Sizes   []int64
	Proof   [][]byte
	Files   map[string][]byte
}

type answer struct {
	Error  string            `json:"error,omitempty"`
	Note   []byte            `json:"note,omitempty"`
	Key    string            `json:"key,omitempty"`
	Signed []string          `json:"signed,omitempty"`
	Root   []byte            `json:"root,omitempty"`
	Proof  [][]byte          `json:"proof,omitempty"`
	Files  map[string][]byte `json:"files,omitempty"`
	Roots  [][]byte          `json:"roots,omitempty"`
}

// cosigner verifies cosignature/v1, which x/mod does not know, with Go's own Ed25519.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(sig)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
	return ed25519.Verify(c.key, []byte(message), sig[8:])
}

func newVerifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("malformed key")
	}
	raw, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(raw) != 33 || raw[0] != 4 {
		return note.NewVerifier(vkey)
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	if hex.EncodeToString(id[:4]) != parts[1] {
		return nil, errors.New("key id does not match")
	}
	return cosigner{parts[0], binary.BigEndian.Uint32(id[:4]), raw[1:]}, nil
}

func open(r request) (answer, error) {
	var verifiers []note.Verifier
	for _, vkey := range r.Keys {
		verifier, err := newVerifier(vkey)
		if err != nil {
			return answer{}, err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open(r.Note, note.VerifierList(verifiers...))
	if err != nil {
		return answer{}, err
	}
	var signed []string
	for _, sig := range opened.Sigs {
		signed = append(signed, sig.Name)
	}
	return answer{Note: []byte(opened.Text), Signed: signed}, nil
}

func sign(r request) (answer, error) {
	skey, vkey, err := note.GenerateKey(bytes.NewReader(r.Seed), r.Name)
	if err != nil {
		return answer{}, err
	}
	if r.Skey != "" {
		skey = r.Skey
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return answer{}, err
	}
	signed, err := note.Sign(&note.Note{Text: r.Text}, signer)
	return answer{Note: signed, Key: vkey}, err
}

func toHash(b []byte) (h tlog.Hash, err error) {
	if len(b) != len(h) {
		return h, errors.New("malformed hash")
	}
	copy(h[:], b)
	return h, nil
}

func toHashes(list [][]byte) (hashes []tlog.Hash, err error) {
	for _, b := range list {
		h, err := toHash(b)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

func fromHashes(hashes []tlog.Hash) (list [][]byte) {
	for i := range hashes {
		list = append(list, hashes[i][:])
	}
	return list
}

func checkRecord(r request) (answer, error) {
	proof, err1 := toHashes(r.Proof)
	root, err2 := toHash(r.Root)
	if err1 != nil || err2 != nil {
		return answer{}, errors.New("malformed hash")
	}
	return answer{}, tlog.CheckRecord(proof, r.Size, root, r.Index, tlog.RecordHash(r.Entry))
}

func checkTree(r request) (answer, error) {
	proof, err1 := toHashes(r.Proof)
	root, err2 := toHash(r.Root)
	old, err3 := toHash(r.OldRoot)
	if err1 != nil || err2 != nil || err3 != nil {
		return answer{}, errors.New("malformed hash")
	}
	return answer{}, tlog.CheckTree(proof, r.Size, root, r.Old, old)
}

// files reads tiles of height 8 under their C2SP paths, which leave out the height.
type files map[string][]byte

func path(t tlog.Tile) string { return strings.Replace(t.Path(), "tile/8/", "tile/", 1) }

func (f files) Height() int                         { return height }
func (f files) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (f files) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, t := range tiles {
		content, ok := f[path(t)]
		if !ok {
			return nil, errors.New("no such tile: " + path(t))
		}
		data = append(data, content)
	}
	return data, nil
}

// proveRecord makes a proof from our tiles; the reader checks every tile against the root.
func proveRecord(r request) (answer, error) {
	root, err := toHash(r.Root)
	if err != nil {
		return answer{}, err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: r.Size, Hash: root}, files(r.Files))
	proof, err := tlog.ProveRecord(r.Size, r.Index, reader)
	return answer{Proof: fromHashes(proof)}, err
}

func proveTree(r request) (answer, error) {
	root, err := toHash(r.Root)
	if err != nil {
		return answer{}, err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: r.Size, Hash: root}, files(r.Files))
	proof, err := tlog.ProveTree(r.Size, r.Old, reader)
	return answer{Proof: fromHashes(proof)}, err
}

type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) (list []tlog.Hash, err error) {
	for _, i := range indexes {
		if i < 0 || i >= int64(len(m)) {
			return nil, errors.New("no such hash")
		}
		list = append(list, m[i])
	}
	return list, nil
}

// build grows a tree through the given sizes and writes its tiles.
func build(r request) (answer, error) {
	a := answer{Files: map[string][]byte{}}
	var stored memory
	var old int64
	for _, size := range r.Sizes {
		for n := old; n < size; n++ {
			hashes, err := tlog.StoredHashes(n, r.Entries[n], stored)
			if err != nil {
				return answer{}, err
			}
			stored = append(stored, hashes...)
		}
		for _, t := range tlog.NewTiles(height, old, size) {
			data, err := tlog.ReadTileData(t, stored)
			if err != nil {
				return answer{}, err
			}
			a.Files[path(t)] = data
		}
		root, err := tlog.TreeHash(size, stored)
		if err != nil {
			return answer{}, err
		}
		a.Roots = append(a.Roots, append([]byte{}, root[:]...))
		old = size
	}
	return a, nil
}

func main() {
	operations := map[string]func(request) (answer, error){
		"open": open, "sign": sign, "checkRecord": checkRecord, "checkTree": checkTree,
		"proveRecord": proveRecord, "proveTree": proveTree, "build": build,
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		operation, ok := operations[r.Op]
		if !ok {
			fmt.Fprintln(os.Stderr, "unknown operation", r.Op)
			os.Exit(1)
		}
		a, err := operation(r)
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := out.Encode(a); err != nil {
			os.Exit(1)
		}
	}
}
