"""Makes tests/fixtures/tools/<syntax>.json: what transformers renders of the templates beside them, <syntax>.jinja.

usage: python3 scripts/tool-fixtures.py        (needs transformers and jinja2, and node)

The templates are written for the tests, each in the shape that publishers' have for its syntax. The messages are those of
`toTemplate` in pkg/src/tools, so that what is tested is what pages run.
"""
import json
import os
import subprocess

import jinja2
import transformers
from transformers.utils.chat_template_utils import render_jinja_template

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "..", "tests", "fixtures", "tools")
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


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
        with open(os.path.join(OUT, f"{syntax}.json"), "w", encoding="utf-8") as file:
            json.dump(golden, file, ensure_ascii=False, indent=1)
            file.write("\n")


main()
