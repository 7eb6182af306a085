using System.CommandLine;
using Karya.Cli.Rendering;
using Karya.Client;

namespace Karya.Cli.Commands;

/// <summary>
/// The options that all commands share which talk to a node: which one, for whom, and how to print what it says. Makes
/// the connection, and turns the ways in which it can end into exit codes.
/// </summary>
internal sealed class ServerFlags(TimeProvider clock, Terminal terminal)
{
    public const string ServerVariable = "KARYA_SERVER";
    public const string UserVariable = "KARYA_USER";

    /// <summary>Whose plans they are if nobody says. The demo's are too: the first list shows something.</summary>
    public const string UserDefault = "default";

    private const string ServerDefault = "karya://127.0.0.1:7070";

    private readonly Option<ServerAddress> _server = new("--server")
    {
        HelpName = "ADDRESS",
        Description = $"The node to ask (default: ${ServerVariable}, else {ServerDefault}).",
        CustomParser = result => Flags.Read(result, Address, "--server: ")!,
    };

    private readonly Option<string?> _user = Flags.Text(
        "--user", "NAME", $"Whose plans (default: ${UserVariable}, else {UserDefault}); made when first needed.");

    private readonly Option<OutputForm> _output = new("--output", "-o")
    {
        HelpName = "table|json|jsonl",
        Description = "How to print (default: table).",
        CustomParser = result => Flags.Read(result, Form, "--output: "),
    };

    public Terminal Terminal => terminal;

    public TimeProvider Clock => clock;

    public void AddTo(Command command)
    {
        command.Add(_server);
        command.Add(_user);
        command.Add(_output);
    }

    public Printer PrinterOf(ParseResult parsed) => new(terminal, parsed.GetValue(_output), clock);

    /// <summary>Connects, has the work done, and gives its exit code, or that of the signal that cuts it off.</summary>
    public async Task<int> RunAsync(ParseResult parsed, Func<Session, Task<int>> work)
    {
        using var signals = new StopSignals();
        string userName = parsed.GetValue(_user) ?? FromEnvironment(UserVariable) ?? UserDefault;
        var options = new KaryaClientOptions
        {
            Address = parsed.GetValue(_server) ?? AddressFromEnvironment(),
            UserName = userName,
            ClientName = $"karya/{Banner.Version}",
            TimeProvider = clock,
        };
        try
        {
            await using var client = await KaryaClient.ConnectAsync(options, signals.Stopping);
            return await work(
                new Session(client, userName, terminal, PrinterOf(parsed), clock, signals.Stopping));
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return await signals.Asked;
        }
        catch (KaryaException exception)
        {
            return Failures.Print(terminal, exception);
        }
    }

    private static ServerAddress AddressFromEnvironment()
    {
        try
        {
            return Address(FromEnvironment(ServerVariable) ?? ServerDefault);
        }
        catch (FormatException exception)
        {
            throw new UsageException($"{ServerVariable}: {exception.Message}");
        }
    }

    private static string? FromEnvironment(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    /// <summary>The scheme may be left out: there is only one.</summary>
    private static ServerAddress Address(string text) =>
        ServerAddress.Parse(text.Contains("://", StringComparison.Ordinal) ? text : $"karya://{text}");

    private static OutputForm Form(string text) => text switch
    {
        "table" => OutputForm.Table,
        "json" => OutputForm.Json,
        "jsonl" => OutputForm.Jsonl,
        _ => throw new FormatException($"'{text}' is none of table, json and jsonl."),
    };
}
