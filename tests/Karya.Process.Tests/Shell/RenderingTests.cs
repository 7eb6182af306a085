using Karya.Cli.Rendering;
using Karya.Client;
using Xunit;

namespace Karya.Process.Tests.Shell;

/// <summary>What people and programs get to see, letter by letter. Names of JSON fields are a promise.</summary>
public sealed class RenderingTests
{
    private static readonly TimeText Times = new(Capture.Clock());
    private static readonly PlanText Plans = new(Times);

    [Fact]
    public void A_list_is_a_table_without_boxes_that_cannot_steer_a_terminal() => Same("""
        X
        """, Capture.Print(terminal => Plans.Print(terminal, [Samples.Call, Samples.Work])));

    [Fact]
    public void A_description_has_all_but_the_values_of_headers() => Same("""
        X
        """, Capture.Print(terminal => Plans.Print(terminal, Samples.Summary)));

    [Fact]
    public void A_plan_with_its_task_is_a_few_lines() => Same("""
        X
        """, Capture.Print(terminal => Plans.Print(terminal, new PlanView(Samples.Call, Samples.Waiting))));

    [Fact]
    public void A_change_is_one_line() => Same("""
        X
        """, string.Join('\n', new[] { Samples.Failed, Samples.Waiting }.Select(new TaskText(Times).Line)));

    [Fact]
    public void JSON_has_instants_in_UTC_durations_in_ISO_8601_and_numbers_as_they_were() => Same("""
        X
        """, Json(OutputForm.Json));

    [Fact]
    public void Lines_of_JSON_are_lines_whatever_is_in_them()
    {
        string[] lines = Json(OutputForm.Jsonl).TrimEnd('\n').Split('\n');
        Assert.Single(lines);
        Assert.Contains("\"data\":{  \"id\": 12345678901234567890 }", lines[0], StringComparison.Ordinal);
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

    private static string Json(OutputForm form) => Capture.Print(terminal => new Printer(terminal, form, Capture.Clock())
        .One(json => PlanText.WriteJson(json, Samples.Work), _ => { }));

    private static void Same(string expected, string actual) =>
        Assert.Equal(expected.ReplaceLineEndings("\n").TrimEnd('\n'), actual.TrimEnd('\n'));
}
