using System.CommandLine;
using System.Globalization;
using Karya.Cli.Rendering;
using Karya.Node.Configuration;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Npgsql;

namespace Karya.Cli.Commands;

/// <summary>
/// <c>karya migrate</c>: what a node does to the tables in Postgres when it starts, to look at, to do beforehand, or to
/// hand to an administrator.
/// </summary>
internal sealed class MigrateCommand(Terminal terminal, NodeOptions options)
{
    private const string Examples = """
        Examples:
          karya migrate status
          karya migrate up --config /etc/karya/karya-node.yml
          karya migrate sql --role karya_node > karya.sql
          karya migrate sql --all --role karya_node | psql -v ON_ERROR_STOP=1 karya

        A node migrates by itself when it starts. There is no way back to an older schema. Exit codes: 0 done, or up
        to date; 1 failed, or status found something pending; 2 wrong usage or configuration.
        """;

    private readonly PostgresOptions _postgres = options.Storage.Postgres;

    public static Command Define(Terminal terminal)
    {
        var command = new ExampleCommand(
            "migrate", "Show or bring about the version of the tables in Postgres.", Examples);
        Add("status", "Show the version of the database and what is pending.", command => command.Status());
        Add("up", "Apply what is pending.", command => command.Up());
        AddSql();
        return command;

        void Add(string verb, string description, Func<MigrateCommand, int> run)
        {
            var config = CommandOptions.ConfigFlag();
            var subcommand = new Command(verb, description) { config };
            subcommand.SetAction(parsed => Run(parsed.GetValue(config), run));
            command.Add(subcommand);
        }

        void AddSql()
        {
            var config = CommandOptions.ConfigFlag();
            var role = new Option<string?>("--role")
            {
                Description = "Grant this role what a node needs to run.",
                HelpName = "NAME",
            };
            var all = new Option<bool>("--all")
            {
                Description = "Everything, for an empty database; connects to none.",
            };
            var sql = new Command("sql", "Print what is pending, for an administrator to apply.") { config, role, all };
            sql.SetAction(parsed => Run(
                parsed.GetValue(config), command => command.Sql(parsed.GetValue(role), parsed.GetValue(all))));
            command.Add(sql);
        }

        int Run(string? configPath, Func<MigrateCommand, int> run) =>
            CommandOptions.Read(terminal, configPath, dataDirectory: null) is { } options
                ? run(new MigrateCommand(terminal, options))
                : ExitCodes.Usage;
    }

    private int Status()
    {
        if (!_postgres.IsSet)
        {
            terminal.Line($"database   SQLite {options.Storage.Path}");
            terminal.Line("A node migrates its file by itself when it starts.");
            return ExitCodes.Done;
        }

        return Connected(schema =>
        {
            int stored = schema.Stored();
            var pending = schema.Pending();
            terminal.Line($"database   {_postgres.Database}, schema {_postgres.Schema}");
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"stored     version {stored}"));
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"known      version {schema.Known}"));
            terminal.Line($"pending    {(pending.Count == 0 ? "nothing" : string.Join(", ", pending))}");
            if (stored <= schema.Known)
                return pending.Count == 0 ? ExitCodes.Done : ExitCodes.Failed;

            terminal.Error("the schema is newer than this karya");
            terminal.Hint("run a karya at least as new as the one that wrote it; there is no way back");
            return ExitCodes.Failed;
        });
    }

    private int Up() => Connected(schema =>
    {
        schema.CheckServer();
        var pending = schema.Pending();
        schema.Up();
        foreach (string migration in pending)
            terminal.Line($"applied    {migration}");
        terminal.Line(string.Create(
            CultureInfo.InvariantCulture, $"{_postgres.Database}, schema {_postgres.Schema}: version {schema.Known}"));
        return ExitCodes.Done;
    });

    private int Sql(string? role, bool isAll)
    {
        if (isAll)
        {
            terminal.Text(PostgresSchema.Sql(_postgres.Schema, role));
            return ExitCodes.Done;
        }

        return Connected(schema =>
        {
            terminal.Text(schema.Sql(role));
            return ExitCodes.Done;
        });
    }

    private int Connected(Func<PostgresSchema, int> work)
    {
        if (!_postgres.IsSet)
        {
            terminal.Error("no Postgres is configured");
            terminal.Why($"the store is the file {options.Storage.Path}, which a node migrates by itself");
            terminal.Hint("set storage.postgres.connectionString, or name the file that does with --config FILE");
            return ExitCodes.Usage;
        }

        try
        {
            using var connection = new NpgsqlConnection(_postgres.ConnectionString);
            connection.Open();
            return work(new PostgresSchema(connection, _postgres.Schema));
        }
        catch (NpgsqlException exception)
        {
            return Failed("cannot be reached", exception.Message, StoreWords.PostgresHint);
        }
        catch (StoreException exception)
        {
            return Failed("cannot be used", exception.Message, "mend what is named above");
        }
    }

    private int Failed(string what, string why, string hint)
    {
        terminal.Error($"the database {_postgres.Database} {what}");
        terminal.Why(why);
        terminal.Hint(hint);
        return ExitCodes.Failed;
    }
}
