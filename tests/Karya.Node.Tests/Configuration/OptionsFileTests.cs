using Karya.Node.Configuration;
using Xunit;

namespace Karya.Node.Tests.Configuration;

public sealed class OptionsFileTests
{
    [Theory]
    [InlineData("")]
    [InlineData("# nothing\n")]
    [InlineData("---\n")]
    [InlineData("http:\n  # listen: 127.0.0.1:1\n")]
    [InlineData("\uFEFFlog:\n")]
    public void A_file_that_says_nothing_is_fine(string yaml)
    {
        var (texts, problems) = OptionsFile.Parse("f", yaml);

        Assert.Empty(problems);
        Assert.Empty(texts);
    }

    [Fact]
    public void A_value_is_read_with_its_line_plain_or_quoted()
    {
        var (texts, problems) = OptionsFile.Parse(
            "f", "# one\nhttp:\n  listen: \"[::1]:80\"\nconnectors: {rest: {followRedirects: true}}\n");

        Assert.Empty(problems);
        Assert.Equal(["http.listen [::1]:80 f:3", "connectors.rest.followRedirects true f:4"],
            texts.Select(text => $"{text.Option.Key} {text.Text} {text.Where}"));
    }

    [Theory]
    [InlineData("htp:\n  listen: 1\n", "f:1: htp: unknown key. Did you mean http?")]
    [InlineData("concurrency: 3\n", "f:1: concurrency: unknown key. Did you mean executor.concurrency?")]
    [InlineData("completelyElse: 3\n", "f:1: completelyElse: unknown key.")]
    [InlineData(
        "http.listen: 3\n",
        "f:1: http.listen: keys are nested, not dotted; write each part on its own line, the next one indented.")]
    [InlineData(
        "log:\n  level: info\n  level: info\n", "f:3: log.level: is already set in line 2; remove one of the two.")]
    [InlineData("log:\nhttp:\nlog:\n", "f:3: log: is already set in line 1; remove one of the two.")]
    [InlineData("log: info\n", "f:1: log: is a section, not a value; below it may stand: level.")]
    [InlineData(
        "log:\n  level: [info]\n",
        "f:2: log.level: expected one value (trace, debug, info, warn or error), in quotes if it begins with a [.")]
    [InlineData(
        "log:\n  level:\n", "f:2: log.level: has no value. Give it one (the default is info), or remove the line.")]
    [InlineData(
        "log:\n  level: &a info\n", "f:2: anchors (&name) are not allowed; write the value where it is needed.")]
    [InlineData(
        "log:\n  level: *:80\n",
        "f:2: aliases are not allowed; write it out, or in quotes if it begins with a *.")]
    [InlineData("log:\n  level: !!str info\n", "f:2: tags (!name) are not allowed; remove it.")]
    [InlineData("log: !x\n  level: info\n", "f:1: tags (!name) are not allowed; remove it.")]
    [InlineData("log:\n  level: ! info\n", "f:2: tags (!name) are not allowed; remove it.")]
    [InlineData("? [a]\n: 1\n", "f:1: a key must be a plain name.")]
    [InlineData("- 1\n", "f:1: expected sections such as http: and storage:, found something else.")]
    [InlineData("just text", "f:1: expected sections such as http: and storage:, found something else.")]
    [InlineData("log:\n---\nlog:\n", "f:2: a second document starts here; put everything into one.")]
    [InlineData("log:\n  level: info\0\nhttp: 3\n", "f: the file contains a NUL character; is it the right one?")]
    [InlineData("a\u001b[31mb: 1\n", "f:1: a\\u001b[31mb: unknown key.")]
    [InlineData("log:\n  level: \"info\n", "f:2: cannot be read from here on: ")]
    public void A_mistake_is_told_with_its_line(string yaml, string expected)
    {
        string problem = Assert.Single(OptionsFile.Parse("f", yaml).Problems);

        Assert.StartsWith(expected, problem, StringComparison.Ordinal);
        Assert.DoesNotContain(problem, char.IsControl);
    }

    [Fact]
    public void What_follows_a_mistake_is_still_read()
    {
        var (texts, problems) = OptionsFile.Parse("f", "nope:\n  - {a: [1, 2]}\nlog:\n  levl: x\n  level: debug\n");

        Assert.Equal(2, problems.Count);
        Assert.Equal("debug", Assert.Single(texts).Text);
    }

    [Fact]
    public void Deep_nesting_is_given_up_early()
    {
        var (_, problems) = OptionsFile.Parse("f", "a: " + new string('[', 500_000));

        Assert.Contains("Nested deeper than 16", problems[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void Only_so_many_problems_are_listed()
    {
        string yaml = string.Concat(Enumerable.Range(0, OptionsFile.ProblemsMax + 5).Select(i => $"k{i}: 1\n"));

        Assert.Equal(OptionsFile.ProblemsMax, OptionsFile.Parse("f", yaml).Problems.Count);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, false)]
    public void A_file_may_have_exactly_one_MiB(int excessBytes, bool isAccepted)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, new string('#', OptionsFile.BytesMax + excessBytes));

            Assert.Equal(isAccepted, OptionsFile.Read(path, "f").Problems.Count == 0);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_file_that_is_not_text_is_refused()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, [0xFF, 0xFE, 0x80]);

            Assert.Equal("f: the file is not UTF-8 text.", Assert.Single(OptionsFile.Read(path, "f").Problems));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
