using System.CommandLine;
using Karya.Cli.Plans;
using Karya.Client;

namespace Karya.Cli.Commands;

/// <summary><c>karya submit</c>: hands plans to a node, from options or from files.</summary>
internal static class SubmitCommand
{
    private const string Examples = """
        Examples:
          karya submit http GET https://example.org/ping --every 1m
          karya submit http POST https://example.org/orders --data '{"id":7}' --header 'content-type: application/json'
          karya submit task resize-image --data '{"id":7}' --in 90s --key order-7 --wait --timeout 5m
          karya submit task report --cron '30 2 * * *' --tz Europe/Berlin --dry-run
          karya submit chain child.json --at 2026-12-01T08:00:00Z
          karya submit slack C024BE91L '[{"type":"divider"}]' --every 1d
          karya submit email ann@example.com --subject 'Disk full' --message 'Clean up.' --in 10m
          karya submit kafka orders --message-key 7 --message '{"id":7}'
          karya submit -f plan.json
          karya submit --from-jsonl plans.jsonl

        --dry-run prints the plan as JSON, in the form that -f reads. Exit codes: 0 done; 1 the plan failed, with
        --wait; 2 wrong usage; 3 no node reachable; 5 the key belongs to another plan; 124 --timeout has passed.
        """;

    public static Command Define(ServerFlags server)
    {
        var file = new Option<string?>("--file", "-f")
        {
            HelpName = "FILE",
            Description = "A plan, or an array of plans, as JSON; - for stdin.",
        };
        var lines = Flags.Text("--from-jsonl", "FILE", "Many plans, one on each line; - for stdin.");
        var submission = new Submission(server);
        var command = new ExampleCommand("submit", "Hand a plan to a node.", Examples)
        {
            file, lines, Http(server), Task(server), Chain(server), Slack(server), Email(server), Kafka(server),
        };
        submission.AddTo(command);
        command.SetAction(parsed => (parsed.GetValue(file), parsed.GetValue(lines)) switch
        {
            ({ } path, null) => submission.RunAsync(parsed, PlanReader.ReadAll(TextFile.Read(path), path)),
            (null, { } path) => submission.RunLinesAsync(parsed, path),
            (null, null) => throw new UsageException(
                "what to submit is missing", hint: "karya submit http GET https://example.org/ping --every 1m"),
            _ => throw new UsageException("--file and --from-jsonl do not go together"),
        });
        return command;
    }

    private static Command Http(ServerFlags server)
    {
        var method = new Argument<string>("METHOD") { Description = "GET, POST, ..." };
        var url = new Argument<string>("URL") { Description = "What to call." };
        var headers = new Option<string[]>("--header")
        {
            HelpName = "'NAME: VALUE'",
            Description = "A header of the request; may be given again.",
        };
        var data = Flags.Text("--data", "TEXT|@FILE", "The body of the request.");
        var timeout = AttemptTimeout();
        var retryOn = Flags.Text(
            "--retry-on", "STATUSES", "After which statuses it is tried again (default: 408,425,429,5xx), or none.");
        var command = new Command("http", "Call a URL when due.") { method, url, headers, data, timeout, retryOn };
        return WithPlan(server, command, parsed => KaryaAction.Http(
            new HttpMethod(parsed.GetRequiredValue(method).ToUpperInvariant()),
            parsed.GetRequiredValue(url),
            parsed.GetValue(data) is { } body ? TextFile.ReadOrTake(body) : null,
            [.. (parsed.GetValue(headers) ?? []).Select(PlanReader.Header)],
            parsed.GetValue(timeout),
            parsed.GetValue(retryOn) is { } statuses ? PlanReader.Statuses(statuses) : null));
    }

    private static Command Task(ServerFlags server)
    {
        var name = new Argument<string>("NAME") { Description = "The name of the task that workers serve." };
        var data = Flags.Text("--data", "JSON|@FILE", "The arguments of the task (default: null).");
        var timeout = AttemptTimeout();
        var command = new Command("task", "Have a worker carry out a task when due.") { name, data, timeout };
        return WithPlan(server, command, parsed => KaryaAction.Task(
            parsed.GetRequiredValue(name), (ReadOnlyMemory<byte>)Arguments(parsed.GetValue(data) ?? "null"),
            parsed.GetValue(timeout)));
    }

    private static Command Chain(ServerFlags server)
    {
        var file = new Argument<string>("PLAN-FILE")
        {
            Description = "The plan to start, as JSON in the form that --dry-run prints; - for stdin.",
        };
        var command = new Command("chain", "Start another plan when due.") { file };
        return WithPlan(server, command, parsed =>
        {
            string path = parsed.GetRequiredValue(file);
            return KaryaAction.Chain(PlanReader.Read(TextFile.Read(path), path));
        });
    }

    private static Command Slack(ServerFlags server)
    {
        var channel = new Argument<string>("CHANNEL") { Description = "The id or name of a channel." };
        var blocks = new Argument<string>("BLOCKS|@FILE") { Description = "A JSON array of Slack blocks." };
        var command = new Command("slack", "Post to Slack when due.") { channel, blocks };
        return WithPlan(server, command, parsed => KaryaAction.Slack(
            parsed.GetRequiredValue(channel), TextFile.ReadOrTake(parsed.GetRequiredValue(blocks))));
    }

    private static Command Email(ServerFlags server)
    {
        var recipient = new Argument<string>("RECIPIENT")
        {
            Description = "An address, or several with commas between them.",
        };
        var subject = Flags.Text("--subject", "TEXT", "One line (default: empty).");
        var message = Flags.Text("--message", "TEXT|@FILE", "The text of the mail (default: empty).");
        var command = new Command("email", "Send mail when due.") { recipient, subject, message };
        return WithPlan(server, command, parsed => KaryaAction.Email(
            parsed.GetRequiredValue(recipient), parsed.GetValue(subject) ?? "",
            TextFile.ReadOrTake(parsed.GetValue(message) ?? "")));
    }

    private static Command Kafka(ServerFlags server)
    {
        var topic = new Argument<string>("TOPIC") { Description = "Where to." };
        var key = Flags.Text("--message-key", "TEXT", "Decides the partition (default: none).");
        var message = Flags.Text("--message", "TEXT|@FILE", "The message (default: empty).");
        var command = new Command("kafka", "Publish to Kafka when due.") { topic, key, message };
        return WithPlan(server, command, parsed => KaryaAction.Kafka(
            parsed.GetRequiredValue(topic), TextFile.ReadOrTake(parsed.GetValue(message) ?? ""),
            parsed.GetValue(key)));
    }

    private static Command WithPlan(ServerFlags server, Command command, Func<ParseResult, KaryaAction> action)
    {
        var flags = new PlanFlags();
        flags.AddTo(command);
        var submission = new Submission(server);
        submission.AddTo(command);
        command.SetAction(parsed => submission.RunAsync(parsed, [flags.ToPlan(parsed, Made(() => action(parsed)))]));
        return command;
    }

    private static Option<TimeSpan?> AttemptTimeout() => Flags.Value(
        "--attempt-timeout", "DURATION", "How long one attempt may take.", DurationText.Read);

    private static byte[] Arguments(string data)
    {
        try
        {
            return PlanReader.JsonBytes(TextFile.ReadOrTake(data));
        }
        catch (FormatException exception)
        {
            throw new FormatException($"--data {exception.Message}", exception);
        }
    }

    /// <summary>The client checks what it is handed.</summary>
    private static KaryaAction Made(Func<KaryaAction> action)
    {
        try
        {
            return action();
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException)
        {
            throw new UsageException(Mistake.Of(exception));
        }
    }
}
