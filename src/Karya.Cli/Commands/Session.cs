using Karya.Cli.Rendering;
using Karya.Client;

namespace Karya.Cli.Commands;

/// <summary>What a command has that talks to a node.</summary>
/// <param name="Stopping">Cancelled when somebody wants the command to end.</param>
internal sealed record Session(
    KaryaClient Client, string UserName, Terminal Terminal, Printer Printer, TimeProvider Clock,
    CancellationToken Stopping)
{
    public PlanText Plans { get; } = new(Printer.Times);

    public TaskText Tasks { get; } = new(Printer.Times);
}
