//! What is seen.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::*;

#[test]
fn all_of_it_fits_into_a_small_terminal() {
    insta::assert_snapshot!(seen(&model(80, 24), 80, 24), @"
    ctl top  cpu 1216%  memory 642Mi  controller 0.1.0, pid 42
    3 agents: 1 Progressing, 1 Ready, 1 Stalled   processes ready: 4/6
      NAME            STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME
    > ▾ agent-1       Ready          5/5   12.3%   130Mi         2  agent/agent-1
          api         running        yes   12.3%    40Mi         1  4711     30m
          frontend    running        yes    0.0%    90Mi         1  4711     30m
      ▾ agent-2       Progressing    4/5       -       -         -  process/api is…
          api         Running         no       -       -         -  -        -
          frontend    Ready          yes       -       -         -  -        -
      ▾ agent-10      Stalled        4/5   1203%   512Mi         2  port 3100 is ta…
          api         exited wit…     no       -       -         1  -        -
          frontend    running        yes   1203%   512Mi         1  4711     30m
      ▾ infra/shared  Ready          2/2       -       -         -
          api         Ready          yes       -       -         -  -        -
          frontend    Ready          yes       -       -         -  -        -







    agent/agent-1: branch agent/agent-1
    d describe  l logs  r restart  Space/a fold  / filter  s sort: name  q quit
    ");
}

#[test]
fn a_wide_terminal_has_messages_too() {
    let mut model = model(150, 16);
    press(&mut model, &["G"]);
    insta::assert_snapshot!(seen(&model, 150, 16), @"
    ctl top  cpu 1216%  memory 642Mi  controller 0.1.0, pid 42
    3 agents: 1 Progressing, 1 Ready, 1 Stalled   processes ready: 4/6
      NAME            STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME  MESSAGE
          api         running        yes   12.3%    40Mi         1  4711     30m
          frontend    running        yes    0.0%    90Mi         1  4711     30m
      ▾ agent-2       Progressing    4/5       -       -         -  agent/agent-2    process/api is starting: connection refused
          api         Running         no       -       -         -  -        -       process/api is starting: connection refused
          frontend    Ready          yes       -       -         -  -        -
      ▾ agent-10      Stalled        4/5   1203%   512Mi         2  agent/agent-10   port 3100 is taken by pid 4711 (node server.js)
          api         exited wit…     no       -       -         1  -        -       port 3100 is taken by pid 4711 (node server.js)
          frontend    running        yes   1203%   512Mi         1  4711     30m
      ▾ infra/shared  Ready          2/2       -       -         -
          api         Ready          yes       -       -         -  -        -
    >     frontend    Ready          yes       -       -         -  -        -

    d describe  l logs  r restart  Space/a fold  / filter  s sort: name  q quit
    ");
}

#[test]
fn what_is_long_scrolls_with_the_line_that_is_chosen() {
    let mut model = model(80, 10);
    press(&mut model, &["j", "j", "j", "j", "j", "j"]);
    insta::assert_snapshot!(seen(&model, 80, 10), @"
    ctl top  cpu 1216%  memory 642Mi  controller 0.1.0, pid 42
    3 agents: 1 Progressing, 1 Ready, 1 Stalled   processes ready: 4/6
      NAME            STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME
          frontend    running        yes    0.0%    90Mi         1  4711     30m
      ▾ agent-2       Progressing    4/5       -       -         -  process/api is…
          api         Running         no       -       -         -  -        -
          frontend    Ready          yes       -       -         -  -        -
    > ▾ agent-10      Stalled        4/5   1203%   512Mi         2  port 3100 is ta…
    agent/agent-10: branch agent/agent-10, port 3100 is taken by pid 4711 (node ser…
    d describe  l logs  r restart  Space/a fold  / filter  s sort: name  q quit
    ");
}

#[test]
fn folded_and_filtered_it_is_short() {
    let mut model = model(80, 10);
    press(&mut model, &["a"]);
    insta::assert_snapshot!(seen(&model, 80, 10), @"
    ctl top  cpu 1216%  memory 642Mi  controller 0.1.0, pid 42
    3 agents: 1 Progressing, 1 Ready, 1 Stalled   processes ready: 4/6
      NAME            STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME
    > ▸ agent-1       Ready          5/5   12.3%   130Mi         2  agent/agent-1
      ▸ agent-2       Progressing    4/5       -       -         -  process/api is…
      ▸ agent-10      Stalled        4/5   1203%   512Mi         2  port 3100 is ta…
      ▸ infra/shared  Ready          2/2       -       -         -

    agent/agent-1: branch agent/agent-1
    d describe  l logs  r restart  Space/a fold  / filter  s sort: name  q quit
    ");
    press(&mut model, &["a", "/", "2"]);
    insta::assert_snapshot!(seen(&model, 80, 10), @"
    ctl top  cpu 1216%  memory 642Mi  controller 0.1.0, pid 42
    3 agents: 1 Progressing, 1 Ready, 1 Stalled   processes ready: 4/6
      NAME          STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME
    > ▾ agent-2     Progressing    4/5       -       -         -  process/api is st…
          api       Running         no       -       -         -  -        -
          frontend  Ready          yes       -       -         -  -        -


    agent/agent-2: branch agent/agent-2, process/api is starting: connection refused
    /2_   Enter keep  Esc drop
    ");
    press(&mut model, &["x", "Enter"]);
    insta::assert_snapshot!(seen(&model, 80, 10), @"
    ctl top  cpu 1216%  memory 642Mi  controller 0.1.0, pid 42
    3 agents: 1 Progressing, 1 Ready, 1 Stalled   processes ready: 4/6
      NAME          STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME
      nothing is called `2x`





    d describe  l logs  r restart  Space/a fold  / 2x (Esc: all)  s sort  q quit
    ");
}

#[test]
fn nothing_is_done_before_it_was_asked() {
    let mut model = model(80, 8);
    press(&mut model, &["j", "r"]);
    insta::assert_snapshot!(seen(&model, 80, 8), @"
    ctl top  cpu 1216%  memory 642Mi  controller 0.1.0, pid 42
    3 agents: 1 Progressing, 1 Ready, 1 Stalled   processes ready: 4/6
      NAME            STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME
      ▾ agent-1       Ready          5/5   12.3%   130Mi         2  agent/agent-1
    >     api         running        yes   12.3%    40Mi         1  4711     30m
          frontend    running        yes    0.0%    90Mi         1  4711     30m

    restart agent/agent-1 api? y/n
    ");
    press(&mut model, &["k", "k", "r"]);
    let last = seen(&model, 80, 8).lines().last().unwrap().to_owned();
    assert_eq!(last, "restart all of agent/agent-1? y/n");
    press(&mut model, &["y"]);
    model.update(Event::Told(crate::ui::Tone::Good, "agent/agent-1 restarting".into()));
    insta::assert_snapshot!(seen(&model, 80, 8), @"
    ctl top  cpu 1216%  memory 642Mi  controller 0.1.0, pid 42
    3 agents: 1 Progressing, 1 Ready, 1 Stalled   processes ready: 4/6
      NAME            STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME
    > ▾ agent-1       Ready          5/5   12.3%   130Mi         2  agent/agent-1
          api         running        yes   12.3%    40Mi         1  4711     30m
          frontend    running        yes    0.0%    90Mi         1  4711     30m
    agent/agent-1 restarting
    d describe  l logs  r restart  Space/a fold  / filter  s sort: name  q quit
    ");
}

#[test]
fn without_a_controller_it_says_so_and_shows_what_it_knows() {
    let mut nothing = Model::new(at("12:00:00"), (80, 8), false);
    insta::assert_snapshot!(seen(&nothing, 80, 8), @"
    ctl top  cpu -  memory -  asking the controller ...
    0 agents   processes ready: 0/0
      NAME          STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME




    d describe  l logs  r restart  Space/a fold  / filter  s sort: name  q quit
    ");
    let why = "the controller does not run: nothing listens on /home/somebody/.local/state/agent-harness/control.sock; start it: controller run --specs DIR";
    nothing.update(Event::Away(why.into(), Vec::new()));
    insta::assert_snapshot!(seen(&nothing, 80, 8), @"
    ctl top  cpu -  memory -  the controller is away
    0 agents   processes ready: 0/0
      NAME          STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME
      the controller does not run: nothing listens on
      /home/somebody/.local/state/agent-harness/control.sock; start it: controller
      run --specs DIR

    d describe  l logs  r restart  Space/a fold  / filter  s sort: name  q quit
    ");

    let mut model = model(80, 8);
    model.update(Event::Tick(at("12:00:42")));
    model.update(Event::Away(why.into(), Vec::new()));
    insta::assert_snapshot!(seen(&model, 80, 8), @"
    ctl top  cpu 1216%  memory 642Mi  the controller is away, this is 42s old
    3 agents: 1 Progressing, 1 Ready, 1 Stalled   processes ready: 4/6
      NAME            STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME
    > ▾ agent-1       Ready          5/5   12.3%   130Mi         2  agent/agent-1
          api         running        yes   12.3%    40Mi         1  4711     30m
          frontend    running        yes    0.0%    90Mi         1  4711     30m
    the controller does not run: nothing listens on /home/somebody/.local/state/age…
    d describe  l logs  r restart  Space/a fold  / filter  s sort: name  q quit
    ");
    tell(&mut model);
    let head = seen(&model, 80, 8).lines().next().unwrap().to_owned();
    assert_eq!(head, "ctl top  cpu 1216%  memory 642Mi  controller 0.1.0, pid 42");
}

#[test]
fn problems_of_specs_are_in_the_head() {
    let mut model = model(100, 8);
    let info = Info { problems: vec!["a.yaml:1: no object".into()], ..info() };
    model.update(Event::Objects(Vec::new(), Some(info)));
    insta::assert_snapshot!(seen(&model, 100, 8), @"
    ctl top  cpu -  memory -  controller 0.1.0, pid 42  1 problem: see `ctl get`
    0 agents   processes ready: 0/0
      NAME          STATE        READY     CPU  MEMORY  RESTARTS  PID      UPTIME  MESSAGE
      nothing there yet: `ctl apply -f FILE` creates objects



    d describe  l logs  r restart  Space/a fold  / filter  s sort: name  q quit
    ");
}

#[test]
fn a_page_is_over_all_of_it() {
    let mut model = model(60, 8);
    press(&mut model, &["d"]);
    model.update(Event::Printed(1, b"agent/agent-1  Ready\n\n  Stack".to_vec()));
    // Nothing is seen of it before all of it came.
    assert!(!seen(&model, 60, 8).contains("Ready"));
    model.update(Event::Printed(1, b"  hello\n".to_vec()));
    model.update(Event::Ended(1));
    insta::assert_snapshot!(seen(&model, 60, 8), @"
    ctl describe agent/agent-1
    agent/agent-1  Ready

      Stack  hello



    j/k scroll  PgUp/PgDn page  g begin  G end  q back
    ");
    press(&mut model, &["q", "j", "l"]);
    model.update(Event::Printed(2, b"one\ntwo \x1b[31mred\x1b[0m\n".to_vec()));
    model.update(Event::Printed(
        2,
        b"a line that is longer than the terminal is wide, and goes on below it\nhalf".to_vec(),
    ));
    insta::assert_snapshot!(seen(&model, 60, 8), @"
    ctl logs agent/agent-1 api -f
    one
    two red
    a line that is longer than the terminal is wide, and goes on
     below it


    j/k scroll  PgUp/PgDn page  g begin  G following  q back
    ");
    press(&mut model, &["k"]);
    insta::assert_snapshot!(seen(&model, 60, 8), @"
    ctl logs agent/agent-1 api -f
    one
    two red
    a line that is longer than the terminal is wide, and goes on
     below it


    j/k scroll  PgUp/PgDn page  g begin  G following  q back
    ");
}

#[test]
fn a_terminal_of_any_size_is_drawn() {
    for (columns, lines) in [(1, 1), (5, 3), (20, 4), (79, 6), (300, 100)] {
        let mut model = model(columns, lines);
        seen(&model, columns, lines);
        for keys in [&["G"][..], &["r"], &["n", "/"], &["x", "Esc", "l"], &["q", "d"]] {
            press(&mut model, keys);
            seen(&model, columns, lines);
        }
        // One that has become another in the meantime.
        seen(&model, lines, columns);
    }
}

#[test]
fn colours_are_there_only_where_there_are_to_be_some() {
    let colours = |colour: bool| {
        let mut model = model(80, 24);
        model.colour = colour;
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| draw(&model, frame)).unwrap();
        let cells = &terminal.backend().buffer().content;
        cells.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(colours(true));
    assert!(!colours(false));
}
