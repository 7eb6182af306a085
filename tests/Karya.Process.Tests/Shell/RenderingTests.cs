using System.Text.RegularExpressions;
using Karya.Cli.Rendering;
using Karya.Client;
using Xunit;

namespace Karya.Process.Tests.Shell;

/// <summary>What people and programs get to see, letter by letter. Names of JSON fields are a promise.</summary>
public sealed class RenderingTests
{
    private static readonly TimeText Times = new(Capture.Clock());
    private static readonly PlanText Plans = new(Times);

    /// <summary>Wider than a line of source: the blanks between columns are shown as a bar.</summary>
    [Fact]
    public void A_list_is_a_table_without_boxes_that_cannot_steer_a_terminal() => Assert.Equal(
    [
        "ID | STATUS | SCHEDULE | CREATED | ACTION | NAME",
        "01a20a7b-5d5f-7000-aae0-21f5763fed03 | running | every 5m until 2026-11-28 13:15:00 | 13:15:00 (15m ago)"
            + " | POST https://crm.local/sync | nightly [31m ping",
        "01a20a7b-5d60-7000-aae0-21f5763fed03 | created | at 13:33:00 (in 3m) | 13:15:00 (15m ago) | task resize-image",
    ], Regex.Replace(Capture.Print(terminal => Plans.Print(terminal, [Samples.Call, Samples.Work])), " {2,}", " | ")
        .TrimEnd().Split('\n'));

    [Fact]
    public void A_description_has_all_but_the_values_of_headers() => Same("""
        plan        01a20a7b-5d5f-7000-aae0-21f5763fed03
        name        nightly [31m ping
        status      running
        action      POST https://crm.local/sync
        schedule    every 5m until 2026-11-28 13:15:00
        headers     authorization
        body        {"all":true}
        timeout     2s
        retries     3
        on failure  slack #ops
        created     13:15:00 (15m ago)
        updated     13:25:00 (5m ago)
        user        01a20a7b-0000-7000-aae0-21f5763fed03

        TASK  STATUS   DUE                 LATE  TOOK  ATTEMPTS  NOTE
        #1    failure  13:20:00 (10m ago)  +4ms  42ms  4
        #2    created  13:35:00 (in 5m)                0         no worker serves it

        TASK  ATTEMPT  AT                  FAILURE   ERROR
        #1    4        13:20:00 (10m ago)  http_5xx  503 Service Unavailable closed for lunch
        """, Capture.Print(terminal => Plans.Print(terminal, Samples.Summary)));

    [Fact]
    public void A_plan_with_its_task_is_a_few_lines() => Same("""
        plan      01a20a7b-5d5f-7000-aae0-21f5763fed03
        name      nightly [31m ping
        status    running
        action    POST https://crm.local/sync
        schedule  every 5m until 2026-11-28 13:15:00
        task      #2 created
        due       13:35:00 (in 5m)
        note      no worker serves it
        """, Capture.Print(terminal => Plans.Print(terminal, new PlanView(Samples.Call, Samples.Waiting))));

    [Fact]
    public void A_change_is_one_line() => Same("""
        13:20:00.046  #1  failure     +4ms  42ms  attempt 4
        13:35:00.000  #2  created     no worker serves it
        """, string.Join('\n', new[] { Samples.Failed, Samples.Waiting }.Select(new TaskText(Times).Line)));

    [Fact]
    public void JSON_has_instants_in_UTC_durations_in_ISO_8601_and_numbers_as_they_were() => Same("""
        {
          "id": "01a20a7b-5d60-7000-aae0-21f5763fed03",
          "user_id": "01a20a7b-0000-7000-aae0-21f5763fed03",
          "parent_id": null,
          "name": "",
          "status": "created",
          "schedule": {
            "at": "2026-11-26T12:33:00.000Z"
          },
          "action": {
            "kind": "task",
            "name": "resize-image",
            "arguments": {
         "id": 12345678901234567890 }
          },
          "retries": 3,
          "hooks": [],
          "created_at": "2026-11-26T12:15:00.000Z",
          "updated_at": "2026-11-26T12:25:00.000Z"
        }
        """, Json(OutputForm.Json));

    [Fact]
    public void Lines_of_JSON_are_lines_whatever_is_in_them()
    {
        string[] lines = Json(OutputForm.Jsonl).TrimEnd('\n').Split('\n');
        Assert.Single(lines);
        Assert.Contains("\"arguments\":{  \"id\": 12345678901234567890 }", lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public void Colour_is_only_added()
    {
        string plain = Capture.Print(terminal => Plans.Print(terminal, [Samples.Call]));
        string coloured = Capture.Print(terminal => Plans.Print(terminal, [Samples.Call]), hasColour: true);
        Assert.DoesNotContain('\e', plain);
        Assert.Contains("\e[", coloured, StringComparison.Ordinal);
        Assert.Contains("running", coloured, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, "13:30:00 (now)")]
    [InlineData(59, "13:30:59 (in 59s)")]
    [InlineData(-3661, "12:28:59 (1h1m ago)")]
    [InlineData(90_061, "2026-11-27 14:31:01 (in 1d1h)")]
    public void A_time_says_how_far_away_it_is_and_when_on_the_wall(int seconds, string shown) =>
        Assert.Equal(shown, Times.Show(Capture.Clock().GetUtcNow().AddSeconds(seconds)));

    private static string Json(OutputForm form) => Capture.Print(terminal =>
        new Printer(terminal, form, Capture.Clock()).One(json => PlanText.WriteJson(json, Samples.Work), _ => { }));

    private static void Same(string expected, string actual) =>
        Assert.Equal(expected.ReplaceLineEndings("\n"), actual.TrimEnd('\n'));
}
