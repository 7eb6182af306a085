using Karya.Protocol;

namespace Karya.Client.Connections;

/// <summary>What the link has to know of a request, apart from its bytes.</summary>
/// <param name="Operation">The method that the user called.</param>
/// <param name="IsRepeatable">Carrying it out twice is the same as once, so that it may be sent again.</param>
/// <param name="Advice">
/// For whoever got no answer: what may have happened, and how to go on. A sentence.
/// </param>
internal readonly record struct Call(string Operation, bool IsRepeatable, string Advice)
{
    /// <summary>Which plan it is about; null when about none, or it has no id yet.</summary>
    public UInt128? Plan { get; init; }

    /// <summary>The same about a plan.</summary>
    public Call Of(Guid plan) => this with { Plan = Uuids.ToNumber(plan) };

    public static Call Read(string operation) => new(operation, true, "It changes nothing; asking again is safe.");

    public static Call Change(string operation) => new(
        operation, true, "It may or may not have been carried out; asking again is safe.");

    public static Call Once(string operation, string advice) => new(operation, false, advice);
}
