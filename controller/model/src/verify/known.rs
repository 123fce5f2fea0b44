//! In which words the tools tell of problems that need no matcher of the user's: one row a tool and form.

/// How one tool tells of a problem.
pub struct Known {
    /// The tool.
    pub name: &'static str,
    /// As in [`crate::spec::ProblemMatcher`].
    pub lines: &'static [&'static str],
    /// As there.
    pub within: u32,
    /// As there.
    pub repeat: bool,
    /// The first of several lines that begin one counts, not the last.
    pub keeps_first: bool,
}

const fn line(name: &'static str, lines: &'static [&'static str]) -> Known {
    Known { name, lines, within: 0, repeat: false, keeps_first: false }
}

/// From what says most about a problem to what says least: of two that find it at the same place, the first counts.
pub const KNOWN: &[Known] = &[
    // src/services/Foo.ts(42,7): error TS2322: Type 'string' is not assignable to type 'number'.
    line(
        "tsc",
        &[
            r"^(?<file>[^\s(].*?)\((?<line>\d+),(?<column>\d+)\): (?<severity>error|warning) (?<code>TS\d+): (?<message>.+)$",
        ],
    ),
    // src/services/Foo.ts:42:7 - error TS2322: Type 'string' is not assignable to type 'number'.
    line(
        "tsc",
        &[
            r"^(?<file>\S.*?):(?<line>\d+):(?<column>\d+) - (?<severity>error|warning) (?<code>TS\d+): (?<message>.+)$",
        ],
    ),
    // /home/me/app/src/a.js
    //   42:7  error  'x' is not defined  no-undef
    Known {
        name: "eslint",
        lines: &[
            r"^(?<file>(?:/|\.{0,2}/|[A-Za-z]:\\)?[^\s:]+\.\w+)$",
            r"^\s+(?<line>\d+):(?<column>\d+)\s+(?<severity>error|warning)\s+(?<message>.+?)(?:\s{2,}(?<code>\S+))?$",
        ],
        within: 0,
        repeat: true,
        keeps_first: false,
    },
    // src/a.js:42:7: 'x' is not defined. [Error/no-undef]
    line(
        "eslint",
        &[
            r"^(?<file>\S.*?):(?<line>\d+):(?<column>\d+): (?<message>.+) \[(?<severity>Error|Warning)(?:/(?<code>[^\]]+))?\]$",
        ],
    ),
    //   ● adds › two numbers
    //     expect(received).toBe(expected)
    //       at Object.toBe (src/sum.test.js:4:21)
    Known {
        name: "jest",
        lines: &[
            r"^\s{2}● (?<message>.+)$",
            r"^\s{4}(?<message>\S.*)$",
            r"^\s+at (?:.*\()?(?<file>[^()\s:]+):(?<line>\d+):(?<column>\d+)\)?$",
        ],
        within: 60,
        repeat: false,
        keeps_first: false,
    },
    //  FAIL  src/sum.test.ts > adds > two numbers
    // AssertionError: expected 3 to be 4 // Object.is equality
    //  ❯ src/sum.test.ts:5:19
    Known {
        name: "vitest",
        lines: &[
            r"^\s*FAIL\s+\S.*? > (?<message>.+)$",
            r"^(?<message>\w*(?:Error|Exception|Failure)\b.*)$",
            r"^\s+❯ (?:.* )?(?<file>[^\s:]+):(?<line>\d+):(?<column>\d+)$",
        ],
        within: 60,
        repeat: false,
        keeps_first: false,
    },
    // thread 'tests::adds' panicked at src/lib.rs:10:9:
    // assertion `left == right` failed
    line(
        "cargo",
        &[
            r"^thread '(?<message>[^']*)'(?: \(\d+\))? panicked at (?<file>[^:]+):(?<line>\d+):(?<column>\d+):$",
            r"^(?<message>.+)$",
        ],
    ),
    // error[E0308]: mismatched types
    //   --> src/main.rs:4:5
    Known {
        name: "cargo",
        lines: &[
            r"^(?<severity>error|warning)(?:\[(?<code>\w+)\])?: (?<message>.+)$",
            r"^\s*--> (?<file>[^:]+):(?<line>\d+):(?<column>\d+)$",
        ],
        within: 1,
        repeat: false,
        keeps_first: false,
    },
    // E       assert 3 == 4
    // tests/test_sum.py:5: AssertionError
    Known {
        name: "pytest",
        lines: &[r"^E\s+(?<message>\S.*)$", r"^(?<file>[^\s:]+\.py):(?<line>\d+): (?:\w+\s*)+$"],
        within: 200,
        repeat: false,
        keeps_first: true,
    },
    // ./main.go:10:2: undefined: x
    line("go", &[r"^(?:vet: )?(?<file>[^\s:]+\.go):(?<line>\d+):(?<column>\d+): (?<message>.+)$"]),
    //     sum_test.go:12: got 3, want 4
    line("go", &[r"^\s+(?<file>[^\s:]+\.go):(?<line>\d+): (?<message>.+)$"]),
    // src/a.c:4:5: error: expected ';'
    line(
        "compiler",
        &[
            r"^(?<file>[^\s:][^:]*):(?<line>\d+):(?<column>\d+): (?:fatal )?(?<severity>error|warning): (?<message>.+)$",
        ],
    ),
];
