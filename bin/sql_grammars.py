"""Makes the grammars of the scorer `is_sql` from node-sql-parser's: `python3 bin/sql_grammars.py <checkout> <folder with peggy>`.

The checkout is of the release that promptfoo brings (5.4.0), the folder one in which `npm install peggy@3` was run. peggy
reads the grammars; what they do in JavaScript with what they found is left out, and the few conditions among it become
parts of the grammar: words that are reserved, pairs of quotes and brackets, what ends everything.
"""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "evals_app" / "scorers" / "sql" / "grammars.json.xz"
READ = """
const peggy = require(process.argv[1] + '/node_modules/peggy');
const bare = node => Array.isArray(node) ? node.map(bare) : node && typeof node === 'object'
  ? Object.fromEntries(Object.entries(node).filter(([name]) => !/[lL]ocation$/.test(name)).map(([name, one]) => [name, bare(one)]))
  : node;
const grammar = bare(peggy.parser.parse(require('fs').readFileSync(0, 'utf8'), {reservedWords: []}));
const known = name => `typeof ${name} === 'undefined' ? [] : Object.keys(${name}).filter(key => ${name}[key] === true)`;
const words = new Function('options', grammar.initializer.code +
  `; return {reserved: ${known('reservedMap')}, functions: ${known('reservedFunctionName')}, types: ${known('DATA_TYPES')}}`)({});
process.stdout.write(JSON.stringify({...words, rules: grammar.rules}));
"""
# Parts whose places are told, for tables, columns and what is counted.
KEPT = frozenset(
    {
        *("select_stmt_nake", "binary_column_expr", "column_clause", "column_list_item", "column_ref", "from_clause"),
        *("replace_insert_stmt", "insert_no_columns_stmt", "insert_into_set", "update_stmt", "delete_stmt", "set_item"),
        *("table_base", "table_join", "table_name", "alias_clause", "value_item", "column"),
    }
)
# Conditions about what was said elsewhere in the text, which are rare and left out.
LEFT_OUT = ("varList", "checkLambda", "f !== s", "f.label")

type Node = list[Any]
type Parsed = Mapping[str, Any]


class Grammar:
    """One grammar as peggy tells it."""

    def __init__(self, told: Parsed) -> None:
        self.told = told
        self.rule = ""

    def made(self) -> dict[str, Any]:
        """The grammar as the program for the machine is made of."""
        rules: dict[str, Node] = {}
        for rule in self.told["rules"]:
            self.rule = rule["name"]
            node = self.node(rule["expression"])
            rules[self.rule] = ["k", self.rule, node] if self.rule in KEPT else node
        return {"start": self.told["rules"][0]["name"], "reserved": self.told["reserved"], "rules": rules}

    def node(self, told: Parsed, code: str = "") -> Node:
        """One expression; `code` is what is done with what it finds."""
        kind = told["type"]
        if kind in {"group", "labeled", "text", "named", "action"}:
            return self.node(told["expression"], told.get("code", code))
        if kind == "sequence":
            return self.sequence(told["elements"], code)
        if kind == "choice":
            return ["/", *map(self.node, told["alternatives"])]
        if kind == "rule_ref":
            found: Node = ["r", told["name"]]
            return ["k", "item", found] if (self.rule, told["name"]) == ("expr_list", "expr") else found
        if kind == "literal":
            return ["l", told["value"], int(told["ignoreCase"])]
        if kind == "class":
            return ["c", told["parts"], int(told["inverted"]), int(told["ignoreCase"])]
        if kind == "any":
            return ["."]
        marks = {"optional": "?", "zero_or_more": "*", "one_or_more": "+", "simple_and": "&", "simple_not": "!"}
        return [marks[kind], self.node(told["expression"])]

    def sequence(self, elements: Sequence[Parsed], code: str) -> Node:
        """Expressions after each other; a condition among them is put into what it is about."""
        for place, element in enumerate(elements):
            if element["type"].startswith("semantic_"):
                return self.condition(list(elements), place, element["code"], code)
        nodes = [self.labelled(one, code) for one in elements]
        if "double quoted not match" in code:
            quote: Node = ["l", '"', 0]
            plain: Node = ["!", quote]
            return ["/", *(["s", mark, nodes[1], mark, *nodes[3:]] for mark in (quote, plain))]
        if "head.column === '*'" in code:
            star = [["l", "*", 0], ["r", "__"], ["r", "additive_operator"], ["r", "__"], ["r", "multiplicative_expr"]]
            return ["s", ["a", ["s", *star]], *nodes]
        return ["s", *nodes]

    def labelled(self, element: Parsed, code: str) -> Node:
        """One element of a sequence, kept where what is done with the sequence counts or compares it."""
        node = self.node(element)
        kept = {
            "parentheses not match in from": ("lp", "rp"),
            "invalid column clause": ("head",),
            "column count doesn't match": ("c",),
        }
        labels = [label for words, names in kept.items() if words in code for label in names]
        return ["k", element["label"], node] if element.get("label") in labels else node

    def condition(self, elements: list[Parsed], place: int, says: str, code: str) -> Node:
        """A sequence with the condition at `place`."""
        others = elements[:place] + elements[place + 1 :]
        if any(one in says for one in LEFT_OUT):
            return self.sequence(others, code)
        if "customTypes" in says:
            return ["!", ["s"]]
        if "reservedFunctionName" in says:
            return ["s", ["f", self.told["functions"]], *map(self.node, others)]
        if "if(d)" in says:
            without: Node = ["!", self.node(elements[place - 1]["expression"]["expression"])]
            return ["s", *map(self.node, elements[: place - 1]), without, *map(self.node, elements[place + 1 :])]
        if "(lb &&" in says or "(b &&" in says:
            return self.pair(others, ("lb", "rb") if "lb" in says else ("b", "e"))
        if "revoke" in says:
            return ["/", self.given(others, "GRANT", "KW_TO"), self.given(others, "REVOKE", "KW_FROM")]
        words = {"DATA_TYPES": self.told["types"], "'begin'": ["BEGIN"]}
        named = [words[one] for one in words if one in says]
        word: Node = ["t" if "throw" in says else "w", self.node(elements[place - 1]), *named]
        rest = [self.sequence(elements[place + 1 :], code)] if elements[place + 1 :] else []
        return ["s", *map(self.node, elements[: place - 1]), word, *rest]

    def pair(self, elements: Sequence[Parsed], names: tuple[str, str]) -> Node:
        """Both of two optional parts, or none."""
        both: Node = ["s"]
        neither: Node = ["s"]
        for element in elements:
            is_one = element.get("label") in names
            node = self.node(element["expression"]["expression"] if is_one else element)
            both.append(node)
            neither.append(["!", node] if is_one else node)
        return ["/", both, neither]

    def given(self, elements: Sequence[Parsed], word: str, to: str) -> Node:
        """`GRANT … TO`, `REVOKE … FROM`."""
        nodes = [["r", to] if one.get("label") == "t" else self.node(one) for one in elements]
        return ["s", ["&", ["l", word, 1]], *nodes]


def main(checkout: Path, peggy: Path) -> None:
    """Writes the file anew."""
    found = {}
    for path in sorted((checkout / "pegjs").glob("*.pegjs")):
        command = ["node", "-e", READ, str(peggy.resolve())]
        told = subprocess.run(command, input=path.read_bytes(), capture_output=True, check=True).stdout
        found[path.stem] = Grammar(json.loads(told)).made()
    data = json.dumps(found, separators=(",", ":")).encode()
    TARGET.write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
