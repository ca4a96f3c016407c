"""Makes tests/fixtures/tools/<syntax>.json: what transformers renders of the templates beside them, <syntax>.jinja. And grammars.json:
each syntax's grammars, with answers that llguidance allows or does not allow by them; it stops where that is not as it should be.

usage: python3 scripts/tool-fixtures.py        (needs transformers, jinja2 and llguidance, and node)

The templates are written for the tests, each in the shape that publishers' have for its syntax. The messages are those of
`toTemplate` in pkg/src/tools, so that what is tested is what pages run.
"""
import json
import os
import subprocess

import jinja2
import llguidance
import transformers
from llguidance import LLMatcher, LLTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "tests", "fixtures", "tools")
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def write(name, value):
    with open(os.path.join(OUT, name), "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.write("\n")


def allows(grammar, answer, tokenizer):
    """Whether a grammar takes an answer, byte for byte, and can end there."""
    matcher = LLMatcher(tokenizer, grammar)
    if matcher.is_error():
        raise SystemExit(f"{matcher.get_error()}\n{grammar}")
    tokens = list(answer.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


def check(grammars):
    tokenizer = LLTokenizer("byte")
    for syntax, cases in grammars.items():
        for case in cases:
            answers = [(accepted["answer"], True) for accepted in case["accepts"]] + [(answer, False) for answer in case["rejects"]]
            for answer, right in answers:
                if allows(case["grammar"], answer, tokenizer) != right:
                    raise SystemExit(f"{syntax}: {'refused' if right else 'allowed'}: {answer}\n{case['grammar']}")


def main():
    script = os.path.join(HERE, "tool-fixtures.mjs")
    given = json.loads(subprocess.run(["node", script], check=True, capture_output=True, text=True).stdout)
    tools = given["tools"]
    for syntax, cases in given["syntaxes"].items():
        with open(os.path.join(OUT, f"{syntax}.jinja"), encoding="utf-8") as file:
            template = file.read()
        for case in cases:
            rendered, _ = render_jinja_template(
                conversations=[case["messages"]], tools=tools if case["tools"] else None, chat_template=template,
                add_generation_prompt=case["add_generation_prompt"], **TOKENS,
            )
            case["rendered"] = rendered[0]
        golden = {"transformers": transformers.__version__, "jinja2": jinja2.__version__, **TOKENS, "tools": tools, "cases": cases}
        write(f"{syntax}.json", golden)
    check(given["grammars"])
    write("grammars.json", {"llguidance": llguidance.__version__, "syntaxes": given["grammars"]})


main()
