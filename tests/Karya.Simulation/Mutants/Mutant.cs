namespace Karya.Simulation.Mutants;

/// <summary>A deliberate bug: proof that the judge would see it if it were there.</summary>
/// <param name="Name">Of one word.</param>
/// <param name="What">What is wrong.</param>
/// <param name="File">Below the repository.</param>
/// <param name="Find">What stands there, exactly once.</param>
/// <param name="Replace">
/// What stands there in the copy; <c>MUTANT</c> is true when this mutant is the one that is on.
/// </param>
internal sealed record Mutant(string Name, string What, string File, string Find, string Replace);
