using System.CommandLine;
using Karya.Cli.Rendering;
using Karya.Node.Http.Api;
using Karya.Protocol.Messages;

namespace Karya.Cli.Commands;

/// <summary><c>karya connector</c>: which connectors a node has, and whether one works.</summary>
internal static class ConnectorCommand
{
    private const string Examples = """
        Examples:
          karya connector list
          karya connector test email

        A test connects and signs in, and sends nothing to anybody. The node that is asked does so: each has a
        configuration of its own.
        Exit codes: 0 done, 1 the connector does not work, 2 wrong usage, 3 no node reachable.
        """;

    public static Command Define(ServerFlags server) =>
        new ExampleCommand("connector", "Show the connectors of a node; try one out.", Examples)
        {
            List(server),
            Test(server),
        };

    private static Command List(ServerFlags server)
    {
        var command = new Command("list", "List the connectors, and what they are configured for.");
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            var connectors = await session.Client.GetConnectorsAsync(session.Stopping);
            await session.Printer.ManyAsync(
                connectors.ToAsyncEnumerable(), ConnectorJson.Write, Print, session.Stopping);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static Command Test(ServerFlags server)
    {
        var name = new Argument<string>("NAME") { Description = "rest, slack, email or kafka." };
        var command = new Command("test", "Connect and sign in, and say how that went.") { name };
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            var connector = await session.Client.TestConnectorAsync(parsed.GetValue(name)!, session.Stopping);
            session.Printer.One(
                json => ConnectorJson.Write(json, connector),
                terminal => terminal.Line(TextTable.Plain(Say(connector))));
            return connector.State == ConnectorState.Working ? ExitCodes.Done : ExitCodes.Failed;
        }));
        return command;
    }

    private static string Say(ConnectorStatus connector)
    {
        string where = connector.Target is null ? "" : $" ({connector.Target})";
        return connector.State == ConnectorState.Working
            ? $"{connector.Name}{where} works"
            : $"{connector.Name}{where} does not work: {connector.Trouble}";
    }

    private static void Print(Terminal terminal, IReadOnlyList<ConnectorStatus> connectors)
    {
        var table = new TextTable("CONNECTOR", "STATE", "TARGET", "REMARK");
        foreach (var connector in connectors)
        {
            table.Row(
                connector.Name, ConnectorJson.WordOf(connector.State), connector.Target ?? "-",
                connector.Trouble ?? "");
        }

        table.Print(terminal);
    }
}
