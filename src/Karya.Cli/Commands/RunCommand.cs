using System.CommandLine;
using Karya.Cli.Demo;
using Karya.Cli.Rendering;
using Karya.Node.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Karya.Cli.Commands;

/// <summary><c>karya run</c>: reads the configuration, starts a node, and stops it when asked.</summary>
internal sealed class RunCommand(TimeProvider clock, Terminal terminal)
{
    private const string Examples = """
        Examples:
          karya run
          karya run --demo
          karya run --data /var/lib/karya
          karya run --config /etc/karya/karya-node.yml
          KARYA_HTTP__LISTEN=127.0.0.1:9000 KARYA_LOG__LEVEL=debug karya run

        Flags win over KARYA_* variables, those over the file, that over the defaults. The first Ctrl-C stops
        cleanly, the second at once. Exit codes: 0 stopped, 1 failed, 2 wrong usage or configuration.
        """;

    public static Command Define(TimeProvider clock, Terminal terminal)
    {
        var config = CommandOptions.ConfigFlag();
        var data = new Option<string?>("--data")
        {
            Description = "Keep the store in this directory, as DIR/karya.db (default: ./karya-data).",
            HelpName = "DIR",
        };
        var demo = new Option<bool>("--demo")
        {
            Description = "Add a few sample plans against a small target inside the process, and print each firing.",
        };
        var command = new ExampleCommand("run", "Start a node and run it until Ctrl-C or SIGTERM.", Examples)
        {
            config, data, demo,
        };
        command.SetAction(parsed => new RunCommand(clock, terminal).RunAsync(
            parsed.GetValue(config), parsed.GetValue(data), parsed.GetValue(demo)));
        return command;
    }

    private async Task<int> RunAsync(string? configPath, string? dataDirectory, bool isDemo)
    {
        long startedAt = clock.GetTimestamp();
        if (CommandOptions.Read(terminal, configPath, dataDirectory) is not { } options)
            return ExitCodes.Usage;

        using var loggers = CreateLoggers(options.Log.Level);
        using var signals = new StopSignals();
        var printer = new DemoPrinter(Console.Out);
        await using var node = new Node.Node(options, clock, loggers, isDemo ? printer.Print : null);

        int exitCode = await StartAsync(node, startedAt, signals.Stopping);
        if (exitCode == ExitCodes.Done)
        {
            await using var target = isDemo ? await StartDemoAsync(node, signals.Stopping) : null;
            exitCode = await ServeAsync(node, signals);
            await node.StopAsync();
        }

        await node.StopAsync();
        if (exitCode == ExitCodes.Done)
            terminal.Message("stopped.");
        return exitCode;
    }

    private async Task<int> StartAsync(Node.Node node, long startedAt, CancellationToken stopping)
    {
        try
        {
            await node.StartAsync(stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return ExitCodes.Done;
        }
        catch (StoreException exception)
        {
            terminal.Error($"the store {StoreWords.Name(node.Options.Storage)} cannot be used");
            terminal.Why(exception.Message);
            terminal.Hint(StoreWords.Hint(node.Options.Storage));
            return ExitCodes.Failed;
        }
        catch (IOException exception)
        {
            terminal.Error($"cannot listen on {node.Options.Http.Listen}");
            terminal.Why(exception.Message);
            terminal.Hint("stop what holds the port, or choose another: KARYA_HTTP__LISTEN=127.0.0.1:8081 karya run");
            return ExitCodes.Failed;
        }

        Banner.Write(terminal, node.Options, node.Name, node.Addresses, clock.GetElapsedTime(startedAt));
        return ExitCodes.Done;
    }

    private async Task<DemoTarget> StartDemoAsync(Node.Node node, CancellationToken stopping)
    {
        var target = await DemoTarget.StartAsync(stopping);
        await DemoPlans.SubmitAsync(node.Desk, target.Authority, clock.GetUtcNow().ToUnixTimeMilliseconds(), stopping);
        terminal.Line("demo: sample plans call a target inside this process. One line per firing, with its lateness:");
        return target;
    }

    private async Task<int> ServeAsync(Node.Node node, StopSignals signals)
    {
        await Task.WhenAny(signals.Asked, node.Failed);
        if (!node.Failed.IsCompleted)
        {
            terminal.Message($"stopping: {Banner.WhatStoppingDoes(node.Options)} Ctrl-C once more ends at once.");
            return ExitCodes.Done;
        }

        terminal.Error("the node cannot go on");
        terminal.Why(await node.Failed);
        terminal.Hint("mend the cause and start it again; nothing that was acknowledged is lost");
        return ExitCodes.Failed;
    }

    /// <summary>One line per message on stderr, so that stdout stays for what was asked for.</summary>
    private static ILoggerFactory CreateLoggers(LogLevel level) =>
        LoggerFactory.Create(logging => logging
            .SetMinimumLevel(level)
            .AddSimpleConsole(format =>
            {
                format.SingleLine = true;
                format.UseUtcTimestamp = true;
                format.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
                format.ColorBehavior = LoggerColorBehavior.Disabled;
            })
            .AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));
}
