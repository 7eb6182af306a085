using System.CommandLine;
using System.Text.Json;
using Karya.Cli.Plans;
using Karya.Cli.Rendering;
using Karya.Client;
using Karya.Protocol;

namespace Karya.Cli.Commands;

/// <summary><c>karya user</c>: the owners of plans.</summary>
internal static class UserCommand
{
    private const string Examples = """
        Examples:
          karya user add mira
          karya user show mira -o json

        Names need not be unique: show gives the oldest of that name, which is the one that --user means. Exit codes:
        0 done, 2 wrong usage, 3 no node reachable, 4 there is no such user.
        """;

    public static Command Define(ServerFlags server)
    {
        var command = new ExampleCommand("user", "Make or look up a user.", Examples);
        Add("add", "Make a user, even when there is one of that name.", async (session, name) =>
            await session.Client.CreateUserAsync(name, session.Stopping));
        Add("show", "Show a user.", async (session, name) =>
            await session.Client.FindUserAsync(name, session.Stopping)
                ?? throw new KaryaNotFoundException(ErrorCode.UserNotFound, $"there is no user {name}"));
        return command;

        void Add(string verb, string description, Func<Session, string, Task<KaryaUser>> ask)
        {
            var name = new Argument<string>("NAME") { Description = "The name of the user." };
            var subcommand = new Command(verb, description) { name };
            server.AddTo(subcommand);
            subcommand.SetAction(parsed => server.RunAsync(parsed, async session =>
            {
                var user = await ask(session, parsed.GetRequiredValue(name));
                session.Printer.One(json => WriteJson(json, user), terminal => Print(terminal, session.Printer.Times, user));
                return ExitCodes.Done;
            }));
            command.Add(subcommand);
        }
    }

    private static void WriteJson(Utf8JsonWriter json, KaryaUser user)
    {
        json.WriteStartObject();
        json.WriteString("id", user.Id);
        json.WriteString("name", user.Name);
        json.WriteString("created_at", InstantText.Show(user.CreatedAt));
        json.WriteEndObject();
    }

    private static void Print(Terminal terminal, TimeText times, KaryaUser user)
    {
        var table = TextTable.OfPairs();
        table.Row("user", user.Id.ToString());
        table.Row("name", user.Name);
        table.Row("created", times.Show(user.CreatedAt));
        table.Print(terminal);
    }
}
