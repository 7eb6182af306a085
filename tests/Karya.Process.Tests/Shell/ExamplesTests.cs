using System.CommandLine;
using System.Text;
using Karya.Cli;
using Karya.Cli.Commands;
using Karya.Cli.Rendering;
using Xunit;

namespace Karya.Process.Tests.Shell;

/// <summary>Every example, of docs/cli.md and of the help, is a command line that works.</summary>
public sealed class ExamplesTests
{
    private static readonly string Top = FindTop();

    [Fact]
    public void Every_command_has_an_example_in_the_documentation()
    {
        var shown = Documented().Select(example => string.Join(' ', Words(example))).ToList();
        Assert.All(Leaves(Root()), path => Assert.Contains(
            shown, example => example.StartsWith($"karya {path}", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Every_example_of_the_documentation_works() => await AllWorkAsync(Documented());

    [Fact]
    public async Task Every_example_of_the_help_works()
    {
        var examples = Root().Subcommands.Select(command => ExampleCommand.Of(command)!)
            .Append(Root().Description!).SelectMany(Examples).ToList();
        Assert.True(examples.Count > 20, $"only {examples.Count} were found");
        await AllWorkAsync(examples);
    }

    /// <summary>What would start or ask a node is only parsed: its help is printed instead.</summary>
    private static async Task AllWorkAsync(IEnumerable<string> examples)
    {
        using var directory = new DataDirectory();
        string plan = (await Capture.RunAsync("submit", "task", "a", "--dry-run", "-o", "jsonl")).Output;
        string file = Path.Combine(directory.Path, "plan.json");
        await File.WriteAllTextAsync(file, plan, TestContext.Current.CancellationToken);

        foreach (string example in examples)
        {
            var words = Words(example)[1..].Select(
                word => word.EndsWith(".json", StringComparison.Ordinal) || word.EndsWith(".jsonl", StringComparison.Ordinal)
                    ? (word.StartsWith('@') ? "@" : "") + file
                    : word).ToArray();
            Assert.Empty(Root().Parse(words).Errors);
            bool isSubmit = words[0] == "submit" && !words.Contains("--help");
            var run = await Capture.RunAsync([.. words, isSubmit ? "--dry-run" : "--help"]);
            Assert.True(run.ExitCode == 0, $"{example}\n{run.Errors}");
            Assert.NotEqual("", run.Output);
        }
    }

    private static List<string> Documented() => [.. Examples(File.ReadAllText(Path.Combine(Top, "docs", "cli.md")))];

    /// <summary>Lines that begin with karya, perhaps behind a prompt or variables.</summary>
    private static IEnumerable<string> Examples(string text) =>
        from line in text.Split('\n')
        let trimmed = line.Trim()
        let command = trimmed.StartsWith("$ ", StringComparison.Ordinal) ? trimmed[2..] : trimmed
        where line.StartsWith(' ') || command != trimmed
        where command.StartsWith("karya ", StringComparison.Ordinal)
        select command;

    /// <summary>As a shell takes a line apart, up to a comment, a pipe or a redirection.</summary>
    private static string[] Words(string line)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        bool isQuoted = false;
        bool hasWord = false;
        foreach (char letter in line + " ")
        {
            if (letter == '\'')
            {
                isQuoted = !isQuoted;
                hasWord = true;
            }
            else if (isQuoted || letter != ' ')
            {
                word.Append(letter);
                hasWord = true;
            }
            else if (hasWord)
            {
                if (word.ToString() is "|" or ">" or "#")
                    break;
                words.Add(word.ToString());
                word.Clear();
                hasWord = false;
            }
            else if (words.Count > 0 && words[^1] == "karya")
            {
                continue;
            }
            else
            {
                break; // Two blanks: what follows explains.
            }
        }

        return [.. words];
    }

    private static IEnumerable<string> Leaves(Command command, string path = "")
    {
        foreach (var inner in command.Subcommands)
        {
            string innerPath = $"{path}{inner.Name} ";
            foreach (string leaf in inner.Subcommands.Count > 0 ? Leaves(inner, innerPath) : [innerPath.TrimEnd()])
                yield return leaf;
        }
    }

    private static RootCommand Root() =>
        CommandLine.Define(TimeProvider.System, new Terminal(TextWriter.Null, TextWriter.Null, hasColour: false));

    private static string FindTop()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "Karya.sln")))
            folder = folder.Parent;
        return folder.FullName;
    }
}
